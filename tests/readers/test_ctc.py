"""CTC decoding against sums over all paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlp_bench.readers.ctc import align, greedy, prefix_beam, softmax


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(index for index, _ in itertools.groupby(path) if index != 0)


def exhaustive(probabilities: np.ndarray) -> dict[tuple[int, ...], float]:
    """Every text and the sum of the probabilities of its paths."""
    steps, classes = probabilities.shape
    sums: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(classes), repeat=steps):
        value = float(np.prod(probabilities[np.arange(steps), path]))
        sums[collapse(path)] = sums.get(collapse(path), 0.0) + value
    return sums


@st.composite
def posteriors(draw: st.DrawFn) -> np.ndarray:
    steps, classes = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    seed = draw(st.integers(0, 2**32 - 1))
    sharpness = draw(st.sampled_from([0.3, 1.0, 4.0]))
    return softmax(np.random.default_rng(seed).normal(size=(steps, classes)) * sharpness)


@given(posteriors())
@settings(max_examples=60, deadline=None)
def test_a_wide_beam_finds_the_text_with_the_largest_path_sum(probabilities: np.ndarray) -> None:
    sums = exhaustive(probabilities)
    found = prefix_beam(probabilities, beam=2000)
    assert found is not None
    text, log_probability = found
    assert np.isclose(np.exp(log_probability), sums[text], rtol=1e-9)
    assert np.isclose(sums[text], max(sums.values()), rtol=1e-9)


@given(posteriors(), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_constraints_pick_the_best_text_that_satisfies_them(probabilities: np.ndarray, length: int) -> None:
    def viable(prefix: tuple[int, ...]) -> bool:
        return len(prefix) <= length and all(a < b for a, b in itertools.pairwise(prefix))

    def complete(prefix: tuple[int, ...]) -> bool:
        return len(prefix) == length

    allowed = {text: p for text, p in exhaustive(probabilities).items() if viable(text) and complete(text)}
    found = prefix_beam(probabilities, beam=2000, viable=viable, complete=complete)
    if not allowed:
        assert found is None
    else:
        assert found is not None and complete(found[0]) and viable(found[0])
        assert np.isclose(np.exp(found[1]), max(allowed.values()), rtol=1e-9)


@given(posteriors())
@settings(max_examples=60, deadline=None)
def test_greedy_is_the_collapsed_best_path(probabilities: np.ndarray) -> None:
    best = tuple(probabilities.argmax(axis=1).tolist())
    text, confidences = greedy(probabilities)
    assert tuple(text) == collapse(best)
    assert len(confidences) == len(text)
    assert all(0 < value <= 1 for value in confidences)


def test_beam_and_greedy_differ_where_paths_add_up() -> None:
    # Graves' example: the blank is the best path, but the two ways to say "1" together are likelier.
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4]])
    assert greedy(probabilities)[0] == []
    found = prefix_beam(probabilities, beam=4)
    assert found is not None and found[0] == (1,)
    assert np.isclose(np.exp(found[1]), 0.4 * 0.4 + 2 * 0.6 * 0.4)


def test_repeated_characters_need_a_blank_between_them() -> None:
    doubled = np.array([[0.05, 0.95], [0.9, 0.1], [0.05, 0.95]])
    assert greedy(doubled)[0] == [1, 1]
    found = prefix_beam(doubled)
    assert found is not None and found[0] == (1, 1)
    assert align(doubled, (1, 1)) == [0.95, 0.95]


@given(posteriors())
@settings(max_examples=40, deadline=None)
def test_alignment_of_the_greedy_text_gives_the_greedy_confidences(probabilities: np.ndarray) -> None:
    text, confidences = greedy(probabilities)
    assert np.allclose(align(probabilities, tuple(text)), confidences)


def test_the_blank_may_be_any_class() -> None:
    probabilities = np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1]])
    assert greedy(probabilities, blank=2) == ([0], [0.8])
    found = prefix_beam(probabilities, blank=2)
    assert found is not None and found[0] == (0,)


def test_a_floor_only_removes_improbable_continuations() -> None:
    probabilities = np.array([[0.3, 0.69, 0.01], [0.3, 0.01, 0.69]])
    exact, pruned = prefix_beam(probabilities, beam=50), prefix_beam(probabilities, beam=50, floor=0.05)
    assert exact is not None and pruned is not None
    assert exact[0] == pruned[0] == (1, 2)
    assert pruned[1] <= exact[1]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_softmax_with_temperature(temperature: float) -> None:
    logits = np.array([[1000.0, 999.0], [0.0, 0.0]])
    expected = 1 / (1 + np.exp(-1 / temperature))
    assert np.allclose(softmax(logits, temperature), [[expected, 1 - expected], [0.5, 0.5]])
