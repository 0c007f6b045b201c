"""The second CRNN: no worse on real plates than the first one, and silent where there is no plate."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from mdlp_bench.data.samples import Samples
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.images import ImageU8
from mdlp_bench.readers.base import Reader
from mdlp_bench.readers.crnn.weights import bundled_weights
from mdlp_bench.readers.registry import load_reader

Labelled = list[tuple[ImageU8, str]]
Measure = Callable[[Reader, Labelled], tuple[int, float]]


@pytest.fixture(scope="module")
def second() -> Reader:
    return load_reader("crnn-2")


def test_the_second_reader_reads_real_plates_better(
    measure: Measure, second: Reader, real_crops: Labelled, ground_truths: Labelled
) -> None:
    assert measure(second, real_crops)[0] > measure(load_reader("crnn"), real_crops)[0]
    assert measure(second, ground_truths)[0] >= 35


def test_the_second_reader_reads_nothing_where_there_is_no_plate(second: Reader) -> None:
    rng = np.random.default_rng(4)
    noise = [rng.integers(0, 256, (40, 110, 3), dtype=np.uint8) for _ in range(20)]
    flat = [np.full((30, 90, 3), rng.integers(0, 256, 3), np.uint8) for _ in range(20)]
    for crops in (noise, flat):
        assert np.mean([reading.text == "" for reading in second.read(crops)]) >= 0.95
    assert second.descriptor.name == "crnn-2" and second.descriptor.version == "2"
    assert bundled_weights("crnn-2").stat().st_size <= 4_000_000


@pytest.mark.parametrize(
    ("protocol", "reader"),
    [(None, "crnn-3"), ("mdlp-v3", "crnn-3"), ("mdlp-v2", "crnn-2"), ("mdlp-v1", "crnn")],
)
def test_the_reader_of_a_protocol_takes_the_first_place(protocol: str | None, reader: str) -> None:
    samples = cast(Samples, SimpleNamespace(column=lambda name: ["京P20S75"]))
    for names in ([], ["auto"]):
        plan = ScoringPlan.from_names(names, "none", aligned=False, protocol=protocol, samples=samples)
        assert [one.descriptor.name for one in plan.readers] == [reader]
    assert load_reader().descriptor.name == "crnn-3"
