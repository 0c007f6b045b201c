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
from mdlp_bench.metrics.protocol import MDLP_V2
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


def test_the_reader_of_a_protocol_takes_the_first_place(monkeypatch: pytest.MonkeyPatch) -> None:
    text = MDLP_V2.text.model_copy(update={"reader": "crnn-2"})
    rules = MDLP_V2.model_copy(update={"text": text})
    monkeypatch.setattr("mdlp_bench.harness.plan.protocol_named", lambda name: rules)
    plan = ScoringPlan.from_names([], "none", aligned=False, protocol="mdlp-v2")
    assert [reader.descriptor.name for reader in plan.readers] == ["crnn-2"]
    samples = cast(Samples, SimpleNamespace(column=lambda name: ["京P20S75"]))
    plan = ScoringPlan.from_names(["auto"], "none", aligned=False, protocol="mdlp-v2", samples=samples)
    assert [reader.descriptor.name for reader in plan.readers] == ["crnn-2"]
