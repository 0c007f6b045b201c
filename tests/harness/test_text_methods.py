"""Methods that give text without an image, from prediction to table, figure and submission."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import sample_row

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import MethodError, RunError, SubmissionError
from mdlp_bench.harness.breakdown import breakdown
from mdlp_bench.harness.calibration import find_runs
from mdlp_bench.harness.compare import compare
from mdlp_bench.harness.figure import comparison_figure
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import Predictions, predict
from mdlp_bench.harness.score import score
from mdlp_bench.harness.scorers import FidelityScorer
from mdlp_bench.images import ImageU8
from mdlp_bench.leaderboard.submission.pack import pack
from mdlp_bench.methods import FrameBatch, MethodDescriptor, TextMethod, load_method
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading

Make = Callable[..., Samples]


class Blind(Reader):
    """Reads nothing anywhere."""

    descriptor = ReaderDescriptor(
        name="blind", title="Blind", version="1", weights_sha256="0" * 64, licence="none"
    )

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        return [Reading("", ())] * len(images)

    def features(self, images: Sequence[ImageU8]) -> np.ndarray:
        return np.stack([image.mean(axis=(0, 1)) for image in images]).astype(np.float32)


class Knows(TextMethod):
    """Knows the texts of the first samples and fails on the third."""

    descriptor = MethodDescriptor(name="knows", title="Knows", output="text")

    def read_batch(self, batch: FrameBatch) -> list[Reading]:
        if "s0002" in batch.sample_ids:
            raise ValueError("not this one")
        texts = [sample_row(int(name[1:]))["text"] for name in batch.sample_ids]
        return [Reading(text, (0.5,) * len(text)) for text in texts]


PLAN = ScoringPlan((Blind(),), (FidelityScorer(),), {"lpips": "its weights are not here"})


def test_texts_are_stored_scored_and_marked(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(10)
    texts = predict(Knows(), samples, tmp_path / "p" / "knows", batch_size=4, shard_size=4)
    stored = list(texts)
    assert [p.image for p in stored] == [None] * 10
    assert stored[0].reading == Reading("京A10000", (0.5,) * 7)
    assert stored[2].reading is None and str(stored[2].error).startswith("ValueError: not this one (")
    assert Predictions(tmp_path / "p" / "knows").record.n_failed == 1

    names = ("bicubic", "ground-truth")
    images = [predict(load_method(name), samples, tmp_path / "p" / name) for name in names]
    runs = score([texts, *images], samples, [tmp_path / "r" / n for n in ("knows", *names)], PLAN)
    own = runs[0].summary
    assert own["acc"].mean == pytest.approx(0.9)
    assert own["ned"].mean == pytest.approx(0.1), "the failed sample is the floor"
    for name in ("psnr", "ssim", "frd", "krd", "lpips", "hallucination"):
        assert own[name].mean is None
        assert own[name].unavailable == "the method gives text without an image"
    comparison = compare(runs)
    assert comparison.ranking is not None
    assert [place.name for place in comparison.ranking.overall] == ["knows", "bicubic"]
    (row,) = [row for row in comparison.table.rows if row.name == "Knows"]
    assert row.note.startswith("text only")
    assert row.cells["psnr"].value is None
    assert json.dumps(comparison.to_json(), allow_nan=False)
    comparison.write_table(tmp_path / "table.md")
    assert "text only" in (tmp_path / "table.md").read_text(encoding="utf-8")
    figure = tmp_path / "figure.png"
    comparison_figure(samples, [(texts, runs[0]), (images[0], runs[1])], figure, columns=2)
    assert figure.stat().st_size > 10_000


class Sees(Blind):
    """Reads a text in every picture that depends on it, and believes itself."""

    descriptor = Blind.descriptor.model_copy(update={"name": "sees", "title": "Sees", "believed_from": 0.5})

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        return [Reading(f"京A{int(image.mean() * 100):05d}"[:7], (0.99,) * 7) for image in images]


def test_no_reader_but_the_first_has_a_column_of_what_it_did_not_read(
    make_samples: Make, tmp_path: Path
) -> None:
    samples = make_samples(10)
    texts = predict(Knows(), samples, tmp_path / "p" / "knows", batch_size=4)
    images = [predict(load_method(name), samples, tmp_path / "p" / name) for name in ("bicubic", "lanczos")]
    plan = ScoringPlan((Sees(), Blind()), (FidelityScorer(),))
    runs = score([texts, *images], samples, [tmp_path / "r" / name for name in "abc"], plan)
    own = runs[0].summary
    assert own["acc"].mean == pytest.approx(0.9)
    for name in ("ned", "acc", "cer", "hallucination", "wrong_if_believed"):
        assert own[f"{name}@blind"].mean is None
        assert own[f"{name}@blind"].unavailable == (
            "the method gives its own text, which this reader did not read"
        )
    table = runs[0].per_sample()
    assert set(table["read_text@blind"].to_pylist()) == {""}
    assert table["ned@blind"].null_count == 10
    comparison = compare(runs)
    assert comparison.groups["ned@blind"].keys() == {"bicubic", "lanczos"}
    assert comparison.ranking is not None and comparison.ranking.overall[0].name == "knows"
    shown = comparison.table
    (section, *_) = shown.sections()
    (row,) = [row for row in section.rows if row.name == "Knows"]
    cells = dict(zip((column.key for column in shown.columns), row.cells, strict=True))
    assert cells["ned"].mark == "best" and cells["ned"].group
    notes = shown.footnotes()
    assert notes[cells["ned"].footnote - 1] == "the method's own text, which no reader read"
    for key in ("ned@blind", "acc@blind"):
        assert cells[key].value == "–" and not cells[key].group and cells[key].mark is None
        assert notes[cells[key].footnote - 1] == own[key].unavailable
    for by in ("layout", "position"):
        parts = breakdown(comparison, by, "acc", "acc@blind")
        (row,) = [row for row in parts.rows if row.name == "Knows"]
        assert row.cells and not any("@blind" in key for key in row.cells)


def test_a_reader_is_not_calibrated_on_texts_of_methods(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(10)
    texts = predict(Knows(), samples, tmp_path / "p" / "knows", batch_size=4)
    images = predict(load_method("bicubic"), samples, tmp_path / "p" / "bicubic")
    outs = [tmp_path / "r" / name for name in ("knows", "bicubic")]
    score([texts, images], samples, outs, ScoringPlan((Sees(),), ()))
    assert [run.name for run in find_runs([tmp_path / "r"], "sees")] == ["bicubic"]
    with pytest.raises(RunError, match="no run of a method that gives images"):
        find_runs([outs[0]], "sees")


def test_texts_without_confidences_have_no_metrics_of_confidence(make_samples: Make, tmp_path: Path) -> None:
    class Bare(Knows):
        def read_batch(self, batch: FrameBatch) -> list[Reading]:
            return [Reading(one.text) for one in super().read_batch(batch)]

    samples = make_samples(10)
    texts = predict(Bare(), samples, tmp_path / "p", batch_size=4)
    assert next(iter(texts)).reading == Reading("京A10000")
    (run,) = score([texts], samples, [tmp_path / "r"], PLAN)
    assert run.summary["acc"].mean == pytest.approx(0.9)
    for name in ("aurc", "aurc_mean", "risk_100", "risk_50", "risk_20", "ece", "confidence_gap"):
        assert run.summary[name].unavailable == "the readings come without confidences", name


def test_a_stopped_job_resumes_to_the_same_bytes(make_samples: Make, tmp_path: Path) -> None:
    class Stops(Knows):
        def read_batch(self, batch: FrameBatch) -> list[Reading]:
            if "s0005" in batch.sample_ids:
                raise KeyboardInterrupt
            return super().read_batch(batch)

    samples = make_samples(8)
    options = {"batch_size": 2, "shard_size": 4}
    predict(Knows(), samples, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        predict(Stops(), samples, tmp_path / "stopped", **options)
    predict(Knows(), samples, tmp_path / "stopped", **options)
    whole, stopped = (
        [p.read_bytes() for p in sorted((tmp_path / n).glob("shard-*"))] for n in ("whole", "stopped")
    )
    assert whole == stopped


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("京A12345", "returned str, must return a list of Reading"),
        ([Reading("A", (1.0,))], "1 readings for 4 samples"),
        (["京A12345"] * 4, "must return a list of Reading"),
    ],
)
def test_a_broken_contract_is_one_error(
    make_samples: Make, tmp_path: Path, answer: object, says: str
) -> None:
    class Broken(TextMethod):
        descriptor = MethodDescriptor(name="broken", title="Broken", output="text")

        def read_batch(self, batch: FrameBatch) -> list[Reading]:
            return answer  # type: ignore[return-value]

    with pytest.raises(MethodError, match=says):
        predict(Broken(), make_samples(4), tmp_path / "p")


def test_the_descriptor_must_say_what_the_method_gives(make_samples: Make, tmp_path: Path) -> None:
    class Silent(Knows):
        descriptor = MethodDescriptor(name="silent", title="Silent")

    with pytest.raises(MethodError, match="silent: gives texts, its descriptor says otherwise"):
        predict(Silent(), make_samples(4), tmp_path / "p")


def test_a_text_method_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from mdlp_bench.methods import MethodDescriptor, TextMethod\n"
        "class Mine(TextMethod):\n"
        "    descriptor = MethodDescriptor(name='mine', title='Mine', output='text')\n"
        "    def read_batch(self, batch):\n"
        "        return []\n"
    )
    assert isinstance(load_method(f"{file}:Mine"), TextMethod)


def test_texts_are_not_submitted_as_images(make_samples: Make, tmp_path: Path) -> None:
    predict(Knows(), make_samples(2), tmp_path / "p")
    form = tmp_path / "submission.yaml"
    form.write_text(
        "schema_version: 1\nmethod: Knows\nversion: '1.0'\nauthors: [A]\ncontact: a@example.org\n"
        "license: MIT\ntraining_data: []\nuses_synthetic: false\nextra_data: false\nframes_used: 3\n"
        "n_parameters: 0\ndeterministic: true\nhardware: CPU\ndevice: cpu\ntest_set_not_trained_on: true\n"
    )
    with pytest.raises(SubmissionError, match="knows gives texts, the form says image; write `output: text`"):
        pack(tmp_path / "p", form, tmp_path / "out.zip")
