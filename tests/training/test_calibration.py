from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading
from mdlp_bench.readers.crnn import CrnnReader
from mdlp_bench.training import calibration
from mdlp_bench.training.calibration import calibrate
from mdlp_bench.training.reader_data import render_pool

PLATES = 150


class Teller(Reader):
    """Says the texts it was given, each with its confidence, whatever the images show."""

    descriptor = ReaderDescriptor(
        name="teller", title="Teller", version="1", weights_sha256=None, licence="none"
    )

    def __init__(self, readings: Sequence[tuple[str, float]]) -> None:
        self.rest = list(readings)

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        told, self.rest = self.rest[: len(images)], self.rest[len(images) :]
        return [Reading(text, (confidence, *(1.0,) * (len(text) - 1))) for text, confidence in told]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pool")


@pytest.fixture(scope="module")
def texts(pool: Path) -> list[str]:
    return list(render_pool(pool, calibration._STREAM, PLATES).texts)


def told(texts: Sequence[str], confidence: Callable[[int], float], wrong: set[int]) -> Teller:
    return Teller([("京A00000" if i in wrong else text, confidence(i)) for i, text in enumerate(texts)])


def test_the_threshold_is_the_lowest_that_keeps_one_error_in_a_hundred(pool: Path, texts: list[str]) -> None:
    # Confidences fall with the index; errors at 60 and from 130 on: up to 129 one of 130 is wrong.
    reader = told(texts, lambda i: 1 - i / 1000, {60, *range(130, PLATES)})
    found = calibrate(reader, pool, plates=PLATES)
    assert found.believed_from == pytest.approx(1 - 129 / 1000)
    assert found.believed == pytest.approx(130 / PLATES)
    assert found.exact == pytest.approx(129 / PLATES)
    assert found.plates == PLATES


def test_fewer_than_a_hundred_believed_readings_say_nothing(pool: Path, texts: list[str]) -> None:
    found = calibrate(told(texts, lambda i: 1 - i / 1000, set(range(80, PLATES))), pool, plates=PLATES)
    assert found.believed_from is None and found.believed == 0.0


def test_a_reader_without_confidences_is_refused(pool: Path, texts: list[str]) -> None:
    with pytest.raises(DataError, match="teller: gives no confidences"):
        calibrate(told(texts, lambda _: 1.0, set()), pool, plates=PLATES)


def test_the_bundled_reader_is_measured_alike_and_its_plates_are_not_flawless(pool: Path) -> None:
    first, second = (calibrate(CrnnReader(), pool, plates=PLATES) for _ in range(2))
    assert first == second
    assert 0.4 < first.exact < 0.95
    reader = CrnnReader()
    assert reader.descriptor.believed_from is not None and 0.5 < reader.descriptor.believed_from < 1


def test_the_command_prints_what_goes_into_a_descriptor() -> None:
    result = CliRunner().invoke(app, ["calibrate", "crnn", "--plates", "400", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["plates"] == 400 and 0.2 < found["believed"] < found["exact"]
    assert 0.8 < found["believed_from"] < 1
    plain = CliRunner().invoke(app, ["calibrate", "crnn", "--plates", "100"])
    assert "100 rendered plates" in plain.output and "there are too few" in plain.output
