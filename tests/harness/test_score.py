from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import sample_row
from skimage.metrics import peak_signal_noise_ratio

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError, ProtocolError, RunError
from mdlp_bench.files import sha256_file
from mdlp_bench.harness.bench import bench
from mdlp_bench.harness.calibration import calibrate_method
from mdlp_bench.harness.compare import compare
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.run import Environment, MetricSummary, Run, runs_in
from mdlp_bench.harness.score import score
from mdlp_bench.harness.scorers import FidelityScorer
from mdlp_bench.harness.tables import RENDERERS
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.methods import load_method, method
from mdlp_bench.metrics.abstaining import risk_coverage
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.distribution import frechet_distance, kernel_distance
from mdlp_bench.metrics.protocol import MDLP_V1, MDLP_V2, MDLP_V3, to_working_size
from mdlp_bench.metrics.text import ned, text_scores
from mdlp_bench.plate.grammar import GRAMMARS_VARIABLE
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading

Make = Callable[..., Samples]


class BrightReader(Reader):
    """Reads a plate whose digits are the image's mean colour: the same image, the same text."""

    descriptor = ReaderDescriptor(
        name="bright",
        title="Bright",
        version="1",
        weights_sha256="0" * 64,
        licence="none",
        believed_from=0.9,
    )

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        texts = [f"京A{int(image.astype(int).sum()) % 100_000:05d}" for image in images]
        return [Reading(text, (0.99,) * len(text)) for text in texts]

    def features(self, images: Sequence[ImageU8]) -> np.ndarray:
        return np.stack([image.mean(axis=(0, 1)) for image in images]).astype(np.float32)


PLAN = ScoringPlan((BrightReader(),), (FidelityScorer(),), {"lpips": "its weights are not here"})


def readable_rows(n: int) -> list[dict]:
    """Rows whose text is what `BrightReader` reads in their ground truth; two samples a plate id."""
    rows = []
    for number in range(n):
        row = sample_row(number)
        text = BrightReader().read([to_working_size(decode(row["gt"]["bytes"], "gt"))])[0].text
        rows.append(row | {"text": text, "plate_id": f"plate-{number // 2}"})
    return rows


def scored(samples: Samples, folder: Path, *names: str) -> list[Run]:
    found = [predict(load_method(name), samples, folder / "p" / name) for name in names]
    return score(found, samples, [folder / "r" / name for name in names], PLAN)


def test_the_oracle_is_the_ceiling_and_images_agree_with_scikit_image(
    make_samples: Make, tmp_path: Path
) -> None:
    samples = make_samples(rows=readable_rows(10))
    oracle, bicubic = scored(samples, tmp_path, "ground-truth", "bicubic")
    assert oracle.summary["psnr"].mean == 100.0
    assert oracle.summary["ned"].mean == 0.0 and oracle.summary["acc"].mean == 1.0
    assert oracle.summary["frd"].mean == pytest.approx(0.0, abs=1e-6)
    rows = list(samples.rows())
    expected = [
        peak_signal_noise_ratio(
            to_working_size(decode(row["gt"]["bytes"], "gt")),
            to_working_size(decode(row["frames"][2]["bytes"], "frame")),
        )
        for row in rows
    ]
    table = bicubic.per_sample()
    assert table["sample_id"].to_pylist() == [row["sample_id"] for row in rows]
    assert table["psnr"].to_pylist() == pytest.approx(expected, abs=1e-6)
    psnr = bicubic.summary["psnr"]
    assert psnr.mean == pytest.approx(np.mean(expected)) and psnr.n == 10 and psnr.n_plates == 5
    assert psnr.low is not None and psnr.high is not None and psnr.low < psnr.mean < psnr.high


def test_runs_scored_without_image_metrics_compare(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(rows=readable_rows(4))
    names = ("bicubic", "frame-mean")
    found = [predict(load_method(name), samples, tmp_path / "p" / name) for name in names]
    runs = score(found, samples, [tmp_path / name for name in names], ScoringPlan((BrightReader(),), ()))
    table = compare(runs).table
    keys = {column.key for column in table.columns}
    assert "ned" in keys and "psnr" not in keys
    assert sum(row.kind == "method" for row in table.rows) == len(names)


def test_a_failed_sample_counts_as_the_floor(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(rows=readable_rows(6))
    bad = samples.sample_ids[2]
    calls = iter(range(100))

    @method(name="flaky", frames=1)
    def flaky(frames: np.ndarray) -> np.ndarray:
        if next(calls) == 2:
            raise RuntimeError("out of luck")
        return frames[:, 0]

    found = predict(flaky, samples, tmp_path / "p", batch_size=1)
    (run,) = score([found], samples, [tmp_path / "r"], PLAN)
    row = next(row for row in run.per_sample().to_pylist() if row["sample_id"] == bad)
    assert (row["psnr"], row["ssim"], row["ned"], row["acc"]) == (0.0, -1.0, 1.0, 0.0)
    assert re.fullmatch(r"RuntimeError: out of luck \(test_score\.py, line \d+\)", row["error"])
    assert run.summary["psnr"].n == 6 and run.summary["psnr"].n_failed == 1


def test_under_the_second_protocol_a_failed_sample_gets_the_worst_value_of_every_metric(
    make_samples: Make, tmp_path: Path
) -> None:
    samples = make_samples(rows=readable_rows(6))
    calls = iter(range(100))

    @method(name="failing", frames=1)
    def failing(frames: np.ndarray) -> np.ndarray:
        if next(calls):
            raise RuntimeError("out of luck")
        return frames[:, 0]

    found = predict(failing, samples, tmp_path / "p", batch_size=1)
    plan = dataclasses.replace(PLAN, protocol=MDLP_V2)
    (failed,) = score([found], samples, [tmp_path / "r"], plan)
    assert failed.record.protocol == "mdlp-v2"
    columns = failed.per_sample().to_pydict()
    for name, info in METRICS.items():
        if name in columns and info.level == "sample":
            assert columns[name][1:] == [info.worst] * 5, name
    babble = text_scores(["京" * 60], ["京A12345"], MDLP_V2.text.cer_cap)
    assert columns["cer"][1:] == babble["cer"].tolist() * 5 == [2.0] * 5
    assert failed.summary["ece"].mean == pytest.approx((5 + 0.99**7) / 6)
    assert failed.summary["acc"].mean == 0 and failed.summary["acc"].high is not None
    assert failed.summary["acc"].high > 0.3, "none of three plates read is no proof that none ever is"


def test_what_a_run_says_of_its_surest_readings(make_samples: Make, tmp_path: Path) -> None:
    class Unsure(BrightReader):
        """Surest of the first characters of dark images; half the readings are below its threshold."""

        def read(self, images: Sequence[ImageU8]) -> list[Reading]:
            return [
                Reading(one.text, (0.5 + 0.5 * (int(one.text[-1]) < 5), *(1.0,) * (len(one.text) - 1)))
                for one in super().read(images)
            ]

    rows = readable_rows(40)
    for row in rows[::3]:
        row["text"] = "京A00000"
    samples = make_samples(rows=rows)
    found = predict(load_method("ground-truth"), samples, tmp_path / "p")
    (run,) = score([found], samples, [tmp_path / "r"], dataclasses.replace(PLAN, readers=(Unsure(),)))
    table = run.per_sample().to_pydict()
    wrong = 1 - np.array(table["acc"])
    lowest, mean = np.array(table["read_lowest"]), np.array(table["read_mean"])
    assert set(lowest) == {0.5, 1.0} and set(mean) == {6.5 / 7, 1.0}
    believed = np.array(table["read_confidence"]) >= 0.9
    assert 0 < believed.sum() < 40
    entry = run.summary["wrong_if_believed"]
    assert entry.mean == pytest.approx(wrong[believed].mean()) and entry.n == believed.sum()
    assert entry.low is not None and entry.high is not None and entry.low <= entry.mean <= entry.high
    assert run.summary["risk_100"].mean == pytest.approx(1 - run.summary["acc"].mean)
    assert run.summary["risk_20"].mean == pytest.approx(wrong[believed].mean()), "ties are accepted together"
    area = risk_coverage(lowest, wrong).area()
    assert run.summary["aurc"].mean == run.summary["aurc_mean"].mean == pytest.approx(area)
    assert run.summary["aurc"].low <= area <= run.summary["aurc"].high


def test_a_table_of_too_few_plates_says_why_it_has_no_letters(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(rows=readable_rows(4))
    found = [predict(load_method(name), samples, tmp_path / name) for name in ("bicubic", "lanczos")]
    plan = dataclasses.replace(PLAN, protocol=MDLP_V2)
    comparison = compare(score(found, samples, [tmp_path / "a", tmp_path / "b"], plan))
    assert not any(cell.group for row in comparison.table.rows for cell in row.cells.values())
    assert (
        "No tie groups, and no limits of means that are not shares: 2 plates of these sizes tell as much as "
        "2.0 of equal size, and at least 5 are needed."
    ) in comparison.table.legend()
    for row in comparison.table.rows[:2]:
        assert row.cells["ned"].low is None and row.cells["acc"].low is not None


def test_runs_of_two_protocols_are_not_compared_but_each_among_themselves(
    make_samples: Make, tmp_path: Path
) -> None:
    samples = make_samples(rows=readable_rows(12))
    found = [predict(load_method(name), samples, tmp_path / name) for name in ("bicubic", "lanczos")]
    for protocol in (MDLP_V1, MDLP_V2, MDLP_V3):
        plan = dataclasses.replace(PLAN, protocol=protocol)
        folders = [tmp_path / f"{one.folder.name}-{protocol.id}" for one in found]
        comparison = compare(score(found, samples, folders, plan))
        assert protocol.id in comparison.table.protocol
        assert comparison.bootstrap.exact_shares == (protocol is not MDLP_V1)
        assert comparison.bootstrap.clusters.correction == ("cr1" if protocol is MDLP_V1 else "cr2")
    first, second, new = (tmp_path / f"bicubic-{one.id}" for one in (MDLP_V1, MDLP_V2, MDLP_V3))
    for old, pair in ((first, (first, new)), (second, (new, second))):
        with pytest.raises(ProtocolError, match="cannot be ranked together: protocol mdlp-v") as refused:
            compare([Run(folder) for folder in pair])
        assert f"under mdlp-v3: mdlp-bench score PREDICTIONS DATA -o {old}" in str(refused.value)


def test_a_run_under_other_rules_of_a_known_protocol_is_refused(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(rows=readable_rows(4))
    (run,) = scored(samples, tmp_path, "bicubic")
    run.record.model_copy(update={"protocol_sha256": "0" * 64}).write(run.folder)
    with pytest.raises(ProtocolError, match="mdlp-v3 with other rules"):
        compare([Run(run.folder)])
    run.record.model_copy(update={"protocol": "mdlp-v9"}).write(run.folder)
    with pytest.raises(ProtocolError, match="no protocol 'mdlp-v9'"):
        compare([Run(run.folder)])


def test_runs_under_other_further_grammars_are_not_ranked_together(
    make_samples: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = make_samples(rows=readable_rows(4))
    (plain,) = scored(samples, tmp_path / "plain", "bicubic")
    own = tmp_path / "own.yaml"
    own.write_text("short:\n  title: Short\n  pattern: LNN\n", encoding="utf-8")
    monkeypatch.setenv(GRAMMARS_VARIABLE, str(own))
    (further,) = scored(samples, tmp_path / "further", "bicubic")
    assert (plain.record.grammars_sha256, further.record.grammars_sha256) == (None, sha256_file(own))
    with pytest.raises(
        ProtocolError, match=f"other further grammars of plates .{GRAMMARS_VARIABLE}.; score both"
    ):
        compare([plain, further])


def test_samples_without_truth_or_text_are_left_out_of_the_columns_that_need_them(
    make_samples: Make, tmp_path: Path
) -> None:
    rows = readable_rows(4)
    rows[1] |= {"gt": None}
    rows[2] |= {"text": None, "text_origin": None}
    (run,) = scored(make_samples(rows=rows), tmp_path, "bicubic")
    columns = run.per_sample().to_pydict()
    assert [value is None for value in columns["psnr"]] == [False, True, False, False]
    assert [value is None for value in columns["ned"]] == [False, False, True, False]
    assert run.summary["psnr"].n == 3 and run.summary["ned"].n == 3


def test_records_are_strict_json_and_say_why_a_column_is_missing(make_samples: Make, tmp_path: Path) -> None:
    (run,) = scored(make_samples(rows=[sample_row(0, gt=None, text=None)]), tmp_path, "bicubic")

    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    for name in ("run.json", "summary.json"):
        json.loads((run.folder / name).read_text(encoding="utf-8"), parse_constant=refuse)
    assert run.summary["lpips"].unavailable == "its weights are not here"
    assert run.summary["psnr"].mean is None and run.summary["psnr"].unavailable is not None
    assert run.record.protocol == "mdlp-v3" and run.record.weights == {"reader bright": "0" * 64}


def test_predictions_of_other_data_are_refused(make_samples: Make, tmp_path: Path) -> None:
    found = predict(load_method("bicubic"), make_samples(4), tmp_path / "p")
    with pytest.raises(ProtocolError, match="not this data set"):
        score([found], make_samples(5, name="other"), [tmp_path / "r"], PLAN)


def test_runs_of_different_data_or_readers_are_not_ranked_together(
    make_samples: Make, tmp_path: Path
) -> None:
    (one,) = scored(make_samples(4), tmp_path / "1", "bicubic")
    (other,) = scored(make_samples(5, name="other"), tmp_path / "2", "lanczos")
    with pytest.raises(
        ProtocolError, match=r"cannot be ranked together: data set tiny \(4 samples\) and other \(5 samples\)"
    ):
        compare([one, other])
    with pytest.raises(RunError, match="twice"):
        compare([one, one])
    with pytest.raises(RunError, match="no runs"):
        compare([])
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"no run\.json"):
        Run(tmp_path / "empty")


def test_bench_of_texts_without_ground_truths_and_of_neither(make_samples: Make, tmp_path: Path) -> None:
    rows = [row | {"gt": None} for row in readable_rows(6)]
    comparison = bench(["bicubic"], make_samples(rows=rows, name="tracks"), tmp_path / "out", PLAN)
    assert [run.name for run in comparison.runs] == ["bicubic", "input"]
    assert comparison.runs[0].summary["ned"].n == 6 and comparison.runs[0].summary["psnr"].mean is None
    rows = [row | {"text": None, "text_origin": None} for row in rows]
    with pytest.raises(RunError, match="no sample has a ground truth or a text to score by"):
        bench(["bicubic"], make_samples(rows=rows, name="bare"), tmp_path / "none", PLAN)
    assert not (tmp_path / "none").exists()


def test_bench_writes_tables_runs_and_figure_and_can_be_repeated(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(rows=readable_rows(8))
    out = tmp_path / "out"
    comparison = bench(["bicubic", "frame-mean"], samples, out, PLAN)
    names = {path.name for path in out.iterdir()}
    tables = {f"{name}{suffix}" for name in ("table", "supplement") for suffix in RENDERERS}
    assert names == {"predictions", "runs", "comparison.png"} | tables
    assert {run.name for run in comparison.best_first()} == {"bicubic", "frame-mean"}
    keys = {column.key for column in comparison.table.columns}
    assert "ms_per_image" in keys and "parameters" not in keys
    supplement = (out / "supplement.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert keys | {"ned_alnum", "parameters"} <= set(supplement)
    assert all(run.record.cost is not None for run in comparison.best_first())
    bounds = [row.name for row in comparison.table.rows if row.kind == "bound"]
    assert bounds == ["Ground truth", "Degraded input", "Chance"]
    assert "ceiling" in (out / "table.md").read_text(encoding="utf-8")
    assert decode((out / "comparison.png").read_bytes(), "figure").shape[0] > 500
    before = {path.name: path.read_bytes() for path in out.glob("table.*") if path.suffix != ".html"}
    bench(["bicubic", "frame-mean"], samples, out, PLAN)
    after = {path.name: path.read_bytes() for path in out.glob("table.*") if path.suffix != ".html"}
    assert [len(content.splitlines()) for content in before.values()] == [
        len(content.splitlines()) for content in after.values()
    ]
    parsed = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert [run["name"] for run in parsed["runs"]] == ["bicubic", "frame-mean", "ground-truth", "input"]


class MeanColour:
    """Features for FID and KID that can be checked by hand."""

    weights_sha256 = "1" * 64

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return images.mean(axis=(1, 2)).astype(np.float32)


def test_fid_and_kid_are_measured_on_inception_features_where_there_are_some(
    make_samples: Make, tmp_path: Path
) -> None:
    samples = make_samples(rows=readable_rows(9))
    plan = ScoringPlan((BrightReader(),), (FidelityScorer(),), inception=MeanColour())
    found = [predict(load_method(name), samples, tmp_path / name) for name in ("ground-truth", "bicubic")]
    oracle, bicubic = score(found, samples, [tmp_path / "a", tmp_path / "b"], plan)
    assert oracle.summary["fid"].mean == pytest.approx(0.0, abs=1e-6)
    rows = list(samples.rows())
    clear, enlarged = (
        MeanColour()(np.stack([to_working_size(decode(part["bytes"], "image")) for part in parts]))
        for parts in ([row["gt"] for row in rows], [row["frames"][2] for row in rows])
    )
    assert bicubic.summary["fid"].mean == pytest.approx(frechet_distance(enlarged, clear), rel=1e-6)
    kid = kernel_distance(enlarged, clear)
    assert bicubic.summary["kid"].mean == pytest.approx(kid.value, rel=1e-6)
    assert bicubic.summary["kid"].high == pytest.approx(kid.value + 1.96 * kid.standard_error, rel=1e-3)
    assert bicubic.record.weights["inception"] == "1" * 64
    assert "fid" in {column.key for column in compare([bicubic]).full_table.columns}


def test_without_inceptions_weights_fid_is_left_out_with_its_reason(
    make_samples: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = ScoringPlan((BrightReader(),), (FidelityScorer(),), dict.fromkeys(("fid", "kid"), "no weights"))
    samples = make_samples(4)
    found = predict(load_method("bicubic"), samples, tmp_path / "p")
    comparison = compare(score([found], samples, [tmp_path / "r"], plan))
    assert comparison.runs[0].summary["kid"].unavailable == "no weights"
    assert "fid" not in {column.key for column in comparison.table.columns}
    comparison.print()
    assert "No FID and KID: no weights" in capsys.readouterr().out


def test_the_readers_ceiling_stands_beside_every_text_metric(make_samples: Make, tmp_path: Path) -> None:
    rows = readable_rows(8)
    rows[0] |= {"text": "京A99999"}  # in one ground truth in eight the reader sees something else
    (run,) = scored(make_samples(rows=rows), tmp_path, "bicubic")
    assert run.summary["acc"].ceiling == pytest.approx(7 / 8)
    assert run.summary["ned"].ceiling == pytest.approx(
        1 / 8 * np.mean(ned(["京A99999"], [readable_rows(1)[0]["text"]]))
    )
    assert run.summary["psnr"].ceiling is None
    ceiling, chance = [row for row in compare([run]).table.rows if row.kind == "bound"]
    assert ceiling.note == "ceiling" and ceiling.cells["acc"].value == pytest.approx(7 / 8)
    assert chance.name == "Chance" and chance.cells["acc"].value == 0
    texts, plates = (run.per_sample()[name].to_pylist() for name in ("text", "plate_id"))
    others = [(i, j) for i in range(8) for j in range(8) if plates[i] != plates[j]]
    expected = ned([texts[j] for _, j in others], [texts[i] for i, _ in others]).mean()
    assert chance.cells["ned"].value == pytest.approx(expected)
    assert compare([run]).to_json()["chance"]["ned"] == pytest.approx(expected)


@pytest.mark.parametrize("label", ["京", "#####"])
def test_a_label_without_a_letter_or_digit_counts_nowhere(
    make_samples: Make, tmp_path: Path, label: str
) -> None:
    rows = readable_rows(8)
    without = compare(scored(make_samples(rows=rows[2:], name="without"), tmp_path / "w", "bicubic"))
    rows[0] |= {"text": label}
    rows[1] |= {"text": label}
    comparison = compare(scored(make_samples(rows=rows), tmp_path, "bicubic"))
    assert comparison.runs[0].summary["ned"].n == 6
    assert comparison.chance.keys() >= {"ned", "acc", "cer"}
    assert comparison.chance == without.chance


def test_hallucinations_are_counted_from_the_readers_own_threshold(
    make_samples: Make, tmp_path: Path
) -> None:
    samples = make_samples(4)  # no text is what the reader sees, and every reading is a valid plate
    (found,) = [predict(load_method("bicubic"), samples, tmp_path / "p")]

    def share(believed_from: float | None) -> MetricSummary:
        reader = BrightReader()
        reader.descriptor = reader.descriptor.model_copy(update={"believed_from": believed_from})
        (run,) = score([found], samples, [tmp_path / f"{believed_from}"], ScoringPlan((reader,), ()))
        assert run.record.readers[0].believed_from == believed_from
        return run.summary["hallucination"]

    assert share(0.9).mean == 1.0
    assert share(0.995).mean == 0.0  # readings have 0.99
    reason = share(None).unavailable
    assert reason is not None and "bright" in reason and "mdlp-bench calibrate" in reason


def test_bare_texts_have_no_metrics_of_confidence(make_samples: Make, tmp_path: Path) -> None:
    class Bare(BrightReader):
        """Says it is believed from 0.9, and gives no confidences to hold against that."""

        def read(self, images: Sequence[ImageU8]) -> list[Reading]:
            return [Reading(one.text) for one in super().read(images)]

    samples = make_samples(rows=readable_rows(6))
    found = [
        predict(load_method(name), samples, tmp_path / "p" / name) for name in ("ground-truth", "bicubic")
    ]
    plan = dataclasses.replace(PLAN, readers=(Bare(),))
    oracle, run = score(found, samples, [tmp_path / "r" / "oracle", tmp_path / "r" / "bicubic"], plan)
    assert oracle.summary["acc"].mean == 1.0 and run.summary["ned"].mean is not None
    names = ("hallucination", "wrong_if_believed", "risk_100", "risk_50", "risk_20", "aurc", "aurc_mean")
    for name in (*names, "ece", "confidence_gap"):
        entry = run.summary[name]
        assert (entry.mean, entry.unavailable) == (None, "the readings come without confidences"), name
    table = run.per_sample()
    for name in ("read_confidence", "read_lowest", "read_mean"):
        assert table[name].to_pylist() == [None] * 6
    comparison = compare([run])
    assert (
        "No Hallucination and P(wrong | believed): the readings come without confidences."
        in comparison.table.legend()
    )
    assert not {"aurc", "risk_100", "ece"} & {column.key for column in comparison.full_table.columns}
    assert "AURC" in next(one for one in comparison.full_table.legend() if "come without" in one)
    with pytest.raises(RunError, match="the readings by bright come without confidences"):
        calibrate_method(run, "bright")


def test_what_is_scored_is_kept_and_the_rest_is_made(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(4)
    names, plan = ("bicubic", "input"), PLAN
    found = [predict(load_method(name), samples, tmp_path / "p" / name) for name in names]
    outs = [tmp_path / "r" / name for name in names]
    score(found, samples, outs, plan)

    def times() -> list[int]:
        return [(out / "run.json").stat().st_mtime_ns for out in outs]

    def rescored(plan: ScoringPlan = plan) -> list[bool]:
        before = times()
        runs = score(found, samples, outs, plan)
        assert [run.name for run in runs] == list(names)
        return [a != b for a, b in zip(before, times(), strict=True)]

    assert rescored() == [False, False]
    (outs[1] / "summary.json").write_text("{")
    assert rescored() == [False, True]
    # Another reason for a missing metric is the same plan, another metric is not.
    assert rescored(dataclasses.replace(plan, unavailable={"lpips": "still not here"})) == [False, False]
    assert rescored(dataclasses.replace(plan, unavailable={"fid": "no weights"})) == [True, True]


def test_runs_are_kept_under_another_commit_but_not_under_other_code(
    make_samples: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, out = make_samples(2), tmp_path / "r"
    made = predict(load_method("bicubic"), samples, tmp_path / "p")
    (first,) = score([made], samples, [out], PLAN)
    here = first.record.environment
    assert len(here.code_sha256 or "") == 64
    for change, kept in (({"git_commit": "0" * 40}, True), ({"code_sha256": "0" * 64}, False)):
        changed = here.model_copy(update=change)
        monkeypatch.setattr(Environment, "current", lambda changed=changed: changed)
        (again,) = score([made], samples, [out], PLAN)
        assert (again.record == first.record) == kept
    # Runs of versions that did not name their code open, and are scored again.
    first.record.model_copy(update={"environment": here.model_copy(update={"code_sha256": None})}).write(out)
    assert Run(out).record.environment.code_sha256 is None
    (again,) = score([made], samples, [out], PLAN)
    assert again.record.environment.code_sha256 is not None


def test_no_samples_is_a_clear_error(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(3).select(sample_ids=[])
    with pytest.raises(DataError, match="no samples"):
        predict(load_method("bicubic"), samples, tmp_path / "p")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_terminal_of_any_width_shows_whole_values(
    make_samples: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int,
) -> None:
    (run,) = scored(make_samples(4), tmp_path, "bicubic")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    compare([run]).print()
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert f"{run.summary['ned'].mean:.3f}" in shown


class UpsideDownReader(BrightReader):
    """Reads the image of the other side: an independent second opinion."""

    descriptor = BrightReader.descriptor.model_copy(update={"name": "upside-down"})

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        return super().read([image[::-1, :, ::-1] for image in images])


def test_a_second_reader_has_columns_of_its_own_and_its_agreement_is_told(
    make_samples: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = make_samples(rows=readable_rows(24))
    plan = ScoringPlan((BrightReader(), UpsideDownReader()), (FidelityScorer(),))
    names = ["bicubic", "lanczos", "frame-mean"]
    found = [predict(load_method(name), samples, tmp_path / "p" / name) for name in names]
    runs = score(found, samples, [tmp_path / "r" / name for name in names], plan)
    assert {"ned", "ned@upside-down", "acc@upside-down"} <= set(runs[0].summary)
    comparison = compare(runs)
    keys = [column.key for column in comparison.table.columns]
    assert keys[:4] == ["ned", "acc", "ned@upside-down", "acc@upside-down"]
    groups = comparison.groups["ned@upside-down"]
    for suffix in RENDERERS:
        comparison.write_table(tmp_path / f"table{suffix}")
        written = (tmp_path / f"table{suffix}").read_text(encoding="utf-8")
        own = {".csv": "ned@upside-down", ".tex": r"NED\\Bright", ".html": "NED, <span>Bright"}
        heading = own.get(suffix, "NED, Bright")
        assert heading in written
    assert set(groups) == set(names) and all(groups.values())
    comparison.print()
    shown = capsys.readouterr().out
    assert "Order of the methods by upside-down and by bright: Kendall's tau 1.00 [" in shown
    # The readings are as good as random.
    assert "Not separable in NED: " in shown and "(3 methods, each from the next)" in shown
    # The mirrored image has the same mean colour, so both readers read the same.
    assert comparison.agreement["upside-down"].value == pytest.approx(1.0)
    assert comparison.to_json()["reader_agreement"]["upside-down"]["kendall_tau"] == pytest.approx(1.0)


def test_runs_are_opened_by_folder_by_the_folder_of_a_bench_and_by_a_folder_of_runs(
    make_samples: Make, tmp_path: Path
) -> None:
    samples = make_samples(2)
    found = predict(load_method("bicubic"), samples, tmp_path / "out" / "predictions" / "bicubic")
    folder = tmp_path / "out" / "runs" / "bicubic"
    score([found], samples, [folder], ScoringPlan((BrightReader(),), (FidelityScorer(),)))
    for given in (folder, folder.parent, tmp_path / "out"):
        assert [run.folder for run in runs_in([given])] == [folder]
    assert len(runs_in([folder, folder.parent])) == 2
    with pytest.raises(RunError, match="no such folder"):
        runs_in([tmp_path / "run"])
    with pytest.raises(RunError, match="no run"):
        runs_in([tmp_path / "out" / "predictions"])
