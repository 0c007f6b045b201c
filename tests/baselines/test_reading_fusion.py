from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.reading_fusion import ReadingFusion, reading_fusion, vote
from mdlp_bench.device import Compute
from mdlp_bench.images import ImageU8
from mdlp_bench.methods import MOST_FRAMES, FrameBatch, MethodDescriptor, load_method
from mdlp_bench.plate import grammars
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading


def _reading(text: str, *confidences: float) -> Reading:
    return Reading(text, confidences)


def test_each_place_goes_to_the_most_confident_character() -> None:
    fused = vote([_reading("AB", 0.9, 0.2), _reading("AC", 0.5, 0.3), _reading("DC", 0.6, 0.2)])
    assert fused.text == "AC"
    assert fused.char_confidences == pytest.approx(((0.9 + 0.5) / 3, 0.5 / 3))


def test_the_grammar_decides_between_look_alikes() -> None:
    latin = [grammars()[name] for name in ("brazilian", "mercosur")]
    sure = (0.9,) * 7
    mixed = [Reading("TAM0170", sure), Reading("TAM0I70", (0.3,) * 7)]
    assert vote(mixed).text == vote(mixed, latin).text == "TAM0170"  # LLLNNNN: a plate of its own
    letters = [Reading("8AI8068", sure), Reading("BAI8068", (0.4,) * 7)]
    assert vote(letters).text == "8AI8068" and vote(letters, latin).text == "BAI8068"
    assert vote(letters, latin).char_confidences[0] == pytest.approx(0.4 / 2)
    # No frame shows a letter in the first place: the vote stands as it is.
    assert vote([Reading("8AI8068", sure)], latin).text == "8AI8068"
    longer = [Reading("BAI80688", (0.9,) * 8)] * 2 + [Reading("BAI8068", (0.2,) * 7)]
    assert vote(longer).text == "BAI80688" and vote(longer, latin).text == "BAI8068"
    assert vote([], latin) == vote([Reading("", ())], latin) == Reading("", ())
    chinese = [grammars()["chinese"]]
    assert vote([Reading("京P2OS75", sure), Reading("京P20S75", (0.1,) * 7)], chinese).text == "京P20S75"


def test_any_reader_and_number_of_frames() -> None:
    fusion = reading_fusion(reader=_Brightness(), frames=9)
    assert fusion.descriptor.frames_used == 9 and fusion.descriptor.name == "reading-fusion-b"
    assert fusion.descriptor.frame_policy == "the first 9 or fewer, read one by one"
    assert fusion.read_batch(_batch(10, 20, 30, 210, 220, 230, 240, 250))[0].text == "A2"


def test_readings_of_another_length_do_not_vote() -> None:
    assert vote([_reading("A", 0.9), _reading("BC", 0.6, 0.6), _reading("", *())]).text == "BC"
    assert vote([_reading("", *()), _reading("", *())]) == Reading("", ())
    assert vote([]) == Reading("", ())


_TEXTS = st.text("京ABC123", max_size=8)


@given(_TEXTS, st.integers(1, 5), st.floats(0.01, 1))
def test_equal_readings_stay_as_they_are(text: str, count: int, confidence: float) -> None:
    reading = Reading(text, (confidence,) * len(text))
    fused = vote([reading] * count)
    assert fused.text == text
    assert fused.char_confidences == pytest.approx(reading.char_confidences)


@given(st.lists(_TEXTS, max_size=5), st.data())
def test_confidences_stay_probabilities(texts: list[str], data: st.DataObject) -> None:
    unit = st.floats(0, 1)
    readings = [Reading(t, tuple(data.draw(unit) for _ in t)) for t in texts]
    assert all(0 <= value <= 1 + 1e-12 for value in vote(readings).char_confidences)


class _Brightness(Reader):
    descriptor = ReaderDescriptor(name="b", title="B", version="1", weights_sha256=None, licence="none")

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        return [Reading(f"A{int(image.mean()) // 100}", (1.0, 0.6)) for image in images]


def _batch(*levels: int) -> FrameBatch:
    frames = tuple(np.full((10, 30, 3), level, np.uint8) for level in levels)
    return FrameBatch(("s",), (frames,))


def test_up_to_five_frames_vote_each_once() -> None:
    descriptor = MethodDescriptor(name="fusion", title="Fusion", output="text", frames_used=MOST_FRAMES)
    fusion = ReadingFusion(descriptor, _Brightness())
    assert fusion.read_batch(_batch(10, 210, 220))[0].text == "A2"
    assert MOST_FRAMES == 5
    assert fusion.read_batch(_batch(10, 20, 30, 210, 220, 230, 240, 250))[0].text == "A0"
    assert fusion.read_batch(_batch(210))[0] == Reading("A2", (1.0, 0.6))


def test_frames_can_be_restored_one_by_one_before() -> None:
    descriptor = MethodDescriptor(name="fusion", title="Fusion", output="text", frames_used=MOST_FRAMES)
    restorer = load_method("bicubic")
    fused = ReadingFusion(descriptor, _Brightness(), restorer).read_batch(_batch(210, 215, 5))  # type: ignore[arg-type]
    assert fused[0].text == "A2"


@pytest.mark.parametrize("restorer", [None, "bicubic", "ground-truth"])
def test_a_batch_is_read_as_its_samples_are(restorer: str | None) -> None:
    descriptor = MethodDescriptor(name="fusion", title="Fusion", output="text", frames_used=MOST_FRAMES)
    found = None if restorer is None else load_method(restorer)
    fusion = ReadingFusion(descriptor, _Brightness(), found)  # type: ignore[arg-type]
    samples = [_batch(210, 215, 5), _batch(10), _batch(30, 220)]
    whole = FrameBatch(
        ("a", "b", "c"),
        tuple(one.native[0] for one in samples),
        ground_truth=tuple(np.full((112, 224, 3), level, np.uint8) for level in (5, 230, 30)),
    )
    batched = replace(whole, compute=Compute("cpu", "fp32", "batched"))
    assert fusion.read_batch(batched) == fusion.read_batch(whole)
    assert len(set(fusion.read_batch(whole))) > 1


def test_what_restores_is_named() -> None:
    restorer = load_method("bicubic")
    descriptor = reading_fusion(restorer).descriptor  # type: ignore[arg-type]
    assert descriptor.name == "reading-fusion-bicubic"
    assert descriptor.title == "Reading fusion (Bicubic, CRNN)"
    assert "restored and read one by one" in descriptor.frame_policy


def test_the_registered_one_reads_with_the_bundled_reader() -> None:
    method = reading_fusion()
    assert method.descriptor.output == "text"
    assert method.descriptor.parameters > 0
    third = reading_fusion(reader="crnn-3").descriptor
    assert third.parameters > method.descriptor.parameters and third.trained_on == ("rendered plates",)
    rng = np.random.default_rng(0)
    frames = tuple(rng.integers(0, 256, (15, 42, 3), dtype=np.uint8) for _ in range(3))
    batch = FrameBatch(("a", "b"), (frames, frames[:1]))
    alone = [method.read_batch(batch.single(index))[0] for index in range(2)]
    assert method.read_batch(batch) == alone
