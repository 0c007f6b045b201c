from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import sample_row

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import MdlpBenchError, MethodError, RunError
from mdlp_bench.files import read_json, sha256_file, write_json
from mdlp_bench.harness.predict import Predictions, predict
from mdlp_bench.images import decode, encode
from mdlp_bench.methods import FrameBatch, Method, MethodDescriptor, load_method, method
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.output_folder import locked_folder

Make = Callable[..., Samples]


class Noisy(Method):
    """Adds noise from the sample's own seed to the first frame; counts its calls and can be made to stop."""

    descriptor = MethodDescriptor(name="noisy", title="Noisy", frames_used=1, deterministic=False)

    def __init__(self, stop_at_call: int | None = None) -> None:
        self.calls = 0
        self.stop_at_call = stop_at_call

    def restore_batch(self, batch: FrameBatch) -> np.ndarray:
        self.calls += 1
        if self.calls == self.stop_at_call:
            raise KeyboardInterrupt
        noise = [np.random.default_rng(seed).integers(0, 9, (112, 224, 3), np.uint8) for seed in batch.seeds]
        return batch.frames(1)[:, 0] // 2 + np.stack(noise)


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("shard-*"))}


def test_every_sample_is_restored_in_order(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(10)
    found = list(predict(load_method("bicubic"), samples, tmp_path / "p", batch_size=3, shard_size=4))
    assert [p.sample_id for p in found] == list(samples.sample_ids)
    assert all(p.image is not None and p.image.shape == (112, 224, 3) and p.error is None for p in found)
    record = Predictions(tmp_path / "p").record
    assert (record.status, record.n_failed, record.dataset.n_samples) == ("complete", 0, 10)


def test_a_stopped_job_resumes_to_the_same_bytes(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(10)
    options = {"batch_size": 2, "shard_size": 4, "seed": 5}
    predict(Noisy(), samples, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        predict(Noisy(stop_at_call=4), samples, tmp_path / "stopped", **options)
    with pytest.raises(RunError, match="incomplete"):
        Predictions(tmp_path / "stopped")
    resumed = Noisy()
    predict(resumed, samples, tmp_path / "stopped", **options)
    assert resumed.calls == 3  # the second shard's two batches and the third's one; the first was kept
    assert shards(tmp_path / "stopped") == shards(tmp_path / "whole")
    again = Noisy()
    predict(again, samples, tmp_path / "stopped", **options)
    assert again.calls == 0


def test_an_edited_method_does_not_go_on(make_samples: Make, tmp_path: Path) -> None:
    code, out = tmp_path / "mine.py", tmp_path / "out"
    code.write_text("def restore(frames):\n    return frames[:, 0]\n")
    samples = make_samples(6)
    predict(f"{code}:restore", samples, out)
    assert predict(f"{code}:restore", samples, out).record.given_sha256 == sha256_file(code)
    code.write_text("def restore(frames):\n    return 255 - frames[:, 0]\n")
    with pytest.raises(RunError, match=r"that differ: given_sha256 was \w+ and is now"):
        predict(f"{code}:restore", samples, out)


def test_unfinished_predictions_do_not_go_on_with_other_software(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(6)
    options = {"batch_size": 2, "shard_size": 2}
    with pytest.raises(KeyboardInterrupt):
        predict(Noisy(stop_at_call=2), samples, tmp_path / "out", **options)
    record = read_json(tmp_path / "out/predictions.json")
    record["environment"]["packages"]["numpy"] = "0.9"
    write_json(tmp_path / "out/predictions.json", record)
    with pytest.raises(RunError, match=r'packages\.numpy was "0\.9" and is now'):
        predict(Noisy(), samples, tmp_path / "out", **options)


def test_one_process_at_a_time_predicts_into_a_folder(make_samples: Make, tmp_path: Path) -> None:
    samples, told = make_samples(2), "another process is writing into it"
    with locked_folder(tmp_path / "out"), pytest.raises(MdlpBenchError, match=told):
        predict(Noisy(), samples, tmp_path / "out")


def test_a_sample_does_not_depend_on_its_batch(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(7)
    one = predict(Noisy(), samples, tmp_path / "a", batch_size=1)
    many = predict(Noisy(), samples, tmp_path / "b", batch_size=5)
    assert all(np.array_equal(x.image, y.image) for x, y in zip(one, many, strict=True))


def test_a_folder_of_another_job_is_not_overwritten(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(4)
    predict(load_method("bicubic"), samples, tmp_path / "p")
    for changed in (
        {"method": load_method("lanczos")},
        {"seed": 1},
        {"samples": make_samples(5, name="other")},
    ):
        arguments = {"method": load_method("bicubic"), "samples": samples, "out": tmp_path / "p", **changed}
        with pytest.raises(RunError, match="choose a new folder"):
            predict(**arguments)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        predict(load_method("bicubic"), samples, tmp_path / "full")


def test_one_failing_sample_is_kept_with_its_reason(make_samples: Make, tmp_path: Path) -> None:
    samples = make_samples(6)
    marked = 3

    @method(name="picky", frames=1)
    def picky(frames: np.ndarray) -> np.ndarray:
        if any(np.array_equal(f, poison) for f in frames[:, 0]):
            raise ValueError("cannot take this one\nsecond line")
        return frames[:, 0]

    poison = to_working_size(decode(sample_row(marked)["frames"][0]["bytes"], "x"))
    found = list(predict(picky, samples, tmp_path / "p", batch_size=4))
    (error,) = (p.error for p in found if p.error)
    assert re.fullmatch(r"ValueError: cannot take this one \(test_predict\.py, line \d+\)", error)
    assert found[marked].image is None
    assert Predictions(tmp_path / "p").record.n_failed == 1


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (lambda f: f[:, 0].astype(float), "returned float64"),
        (lambda f: f[:1, 0], r"returned uint8 \[1, 112, 224, 3\], must return uint8 \[4,"),
        (lambda f: f, r"\[4, 3, 112, 224, 3\]"),
        (lambda f: None, "returned NoneType"),
    ],
)
def test_a_broken_contract_is_one_error(
    make_samples: Make, tmp_path: Path, returned: object, says: str
) -> None:
    broken = method(name="broken")(returned)
    with pytest.raises(MethodError, match=says):
        predict(broken, make_samples(4), tmp_path / "p")


def test_a_method_that_always_fails_stops_at_once(make_samples: Make, tmp_path: Path) -> None:
    @method(name="hopeless")
    def hopeless(frames: np.ndarray) -> np.ndarray:
        raise RuntimeError("no")

    with pytest.raises(MethodError, match=r"fails on every sample.*RuntimeError: no"):
        predict(hopeless, make_samples(4), tmp_path / "p")


def test_samples_with_fewer_frames_repeat_the_last(make_samples: Make, tmp_path: Path) -> None:
    short = sample_row(0)
    rows = [short | {"frames": short["frames"][:2], "frame_indices": [0, 1]}]
    seen = []

    @method(name="spy", frames=3)
    def spy(frames: np.ndarray) -> np.ndarray:
        seen.append(frames)
        return frames[:, 0]

    predict(spy, make_samples(rows=rows), tmp_path / "p")
    assert np.array_equal(seen[0][0, 1], seen[0][0, 2])
    assert not np.array_equal(seen[0][0, 0], seen[0][0, 1])


def test_the_oracle_needs_its_ground_truth(make_samples: Make, tmp_path: Path) -> None:
    rows = [sample_row(0), sample_row(1, gt=None)]
    found = list(predict(load_method("ground-truth"), make_samples(rows=rows), tmp_path / "p"))
    assert found[0].image is not None
    assert "no ground truth" in (found[1].error or "")


def test_damaged_records_are_named(make_samples: Make, tmp_path: Path) -> None:
    predict(load_method("bicubic"), make_samples(4), tmp_path / "p")
    record = tmp_path / "p" / "predictions.json"
    content = read_json(record)
    for changed, says in (({"schema_version": 99}, "schema version 99"), ({"surprise": 1}, "surprise")):
        record.write_text(json.dumps(content | changed))
        with pytest.raises(RunError, match=says):
            Predictions(tmp_path / "p")
    record.write_text(json.dumps(content))
    next((tmp_path / "p").glob("shard-*")).write_bytes(b"not parquet")
    with pytest.raises(RunError, match="cannot be read"):
        list(Predictions(tmp_path / "p"))


def test_a_users_function_a_folder_and_unknown_names(make_samples: Make, tmp_path: Path) -> None:
    file = tmp_path / "my_method.py"
    file.write_text("def restore(frames):\n    return frames.mean(axis=1).astype('uint8')\n")
    assert load_method(f"{file}:restore").descriptor.name == "my_method-restore"
    folder = tmp_path / "Restored Images"
    folder.mkdir()
    samples = make_samples(3)
    for name in samples.sample_ids[:2]:
        (folder / f"{name}.png").write_bytes(encode(np.zeros((20, 30, 3), np.uint8)))
    found = list(predict(load_method(str(folder)), samples, tmp_path / "p"))
    assert [p.error is None for p in found] == [True, True, False]
    assert "s0002.png: missing" in (found[2].error or "")
    for spec, says in (
        ("nonsense", "no method 'nonsense'; there are"),
        (f"{file}:other", "has no 'other'"),
        (f"{tmp_path}/none.py:f", "no such file"),
    ):
        with pytest.raises(MethodError, match=says):
            load_method(spec)
    file.write_text("1 / 0")
    with pytest.raises(MethodError, match="ZeroDivisionError"):
        load_method(f"{file}:restore")
