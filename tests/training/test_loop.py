"""The training loop: resumable to the bit, honest about what it holds, the same in several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import torch
from safetensors.torch import load_file
from tiny_trainable import TinyTrainable

from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.methods.weights import read_card
from mdlp_bench.output_folder import locked_folder
from mdlp_bench.training.config import TrainingConfig
from mdlp_bench.training.loop import train

MakeSamples = Callable[..., Samples]
CONFIG = TrainingConfig(
    steps=6,
    batch=4,
    learning_rate=0.05,
    warm_up=2,
    log_every=2,
    checkpoint_every=2,
    validate_every=3,
    validation_samples=2,
)


def _run(out: Path, samples: Samples, config: TrainingConfig = CONFIG, **options: object) -> Path:
    return train(TinyTrainable(seed=0), samples, config, out, about={"method": "tiny"}, **options)  # type: ignore[arg-type]


def _log(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("stop", [2, 3])
def test_an_interrupted_training_ends_with_the_same_state(
    make_samples: MakeSamples, tmp_path: Path, stop: int
) -> None:
    samples = make_samples(10)
    _run(tmp_path / "whole", samples)
    _run(tmp_path / "parts", samples, stop_after=stop)
    _run(tmp_path / "parts", samples)
    for name in ("weights.safetensors", "state/last.safetensors"):
        whole, parts = (load_file(tmp_path / run / name) for run in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[key], parts[key]) for key in whole), name
    steps = [line["step"] for line in _log(tmp_path / "parts") if "l1" in line]
    assert steps[-1] == 6
    assert steps == sorted(set(steps))


def test_log_lines_behind_the_checkpoint_are_dropped_when_continuing(
    make_samples: MakeSamples, tmp_path: Path
) -> None:
    samples = make_samples(10)
    _run(tmp_path, samples, stop_after=2)
    with (tmp_path / "log.jsonl").open("a") as stream:
        stream.write('{"step": 5, "l1": 0.0}\n')
    _run(tmp_path, samples)
    assert [line["step"] for line in _log(tmp_path) if "l1" in line] == [2, 4, 6]


def test_half_a_log_line_of_a_killed_process_is_dropped(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(10)
    _run(tmp_path, samples, stop_after=2)
    with (tmp_path / "log.jsonl").open("a") as stream:
        stream.write('{"step": 2, "l')
    _run(tmp_path, samples)
    assert [line["step"] for line in _log(tmp_path)] == [2, 4, 6]


@pytest.mark.parametrize("left", ["nothing", "earlier weights"])
def test_weights_that_a_killed_process_did_not_write_are_written(
    make_samples: MakeSamples, tmp_path: Path, left: str
) -> None:
    samples = make_samples(10)
    weights = _run(tmp_path, samples)
    expected = load_file(weights)
    weights.unlink()
    if left == "earlier weights":
        weights.write_bytes(_run(tmp_path / "other", samples, stop_after=2).read_bytes())
    found = load_file(_run(tmp_path, samples))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_one_process_at_a_time_trains_in_a_folder(make_samples: MakeSamples, tmp_path: Path) -> None:
    with locked_folder(tmp_path), pytest.raises(MdlpBenchError, match="another process is writing into it"):
        _run(tmp_path, make_samples(10))


def test_an_empty_validation_set_is_named(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(4)
    with pytest.raises(DataError, match="tiny: no samples to validate on"):
        _run(tmp_path / "run", samples, validation=samples.select(sample_ids=[]))


def test_it_learns_and_reports_every_loss_and_validation(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(12)
    lines: list[dict[str, object]] = []
    _run(
        tmp_path,
        samples,
        CONFIG.model_copy(update={"steps": 60, "log_every": 20, "validate_every": 60}),
        validation=samples,
        report=lines.append,
    )
    losses = [line["l1"] for line in lines if "l1" in line]
    assert losses[-1] < 0.6 * losses[0]
    assert {"critic", "model_gradient", "critic_gradient", "learning_rate", "seconds"} <= lines[0].keys()
    assert lines[-1]["validation"]["psnr"] > 10
    picture = cv2.imread(str(tmp_path / "samples" / "000060.png"))
    assert picture.shape == (2 * 56, 5 * 112, 3)


def test_a_folder_continues_only_its_own_training(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(10)
    _run(tmp_path, samples, stop_after=1)
    with pytest.raises(DataError, match=r"another training: training\.seed was 0 and is now 1"):
        _run(tmp_path, samples, CONFIG.model_copy(update={"seed": 1}))
    with pytest.raises(DataError, match="another training: validation was null and is now"):
        _run(tmp_path, samples, validation=samples)
    with pytest.raises(DataError, match="another training"):
        _run(tmp_path, make_samples(8, name="other"))


def test_a_damaged_checkpoint_is_named(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(10)
    _run(tmp_path, samples, stop_after=2)
    state = tmp_path / "state" / "last.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(DataError, match=r"last\.safetensors: damaged"):
        _run(tmp_path, samples)


def test_a_loss_that_is_not_finite_stops_the_training(make_samples: MakeSamples, tmp_path: Path) -> None:
    trainable = TinyTrainable(seed=0, noise=float("nan"))
    with pytest.raises(MdlpBenchError, match="step 0: the loss is not finite"):
        train(trainable, make_samples(10), CONFIG, tmp_path, about={})


def test_averaged_weights_are_what_is_stored(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(10)
    _run(tmp_path, samples)
    stored = load_file(tmp_path / "weights.safetensors")
    state = load_file(tmp_path / "state" / "last.safetensors")
    assert torch.equal(stored["0.weight"], state["averaged/0.weight"])
    assert not torch.equal(stored["0.weight"], state["trainable/model.0.weight"])


_SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from accelerate import PartialState
from tiny_trainable import TinyTrainable
from mdlp_bench.data import open_samples
from mdlp_bench.training.config import TrainingConfig
from mdlp_bench.training.loop import train
config = TrainingConfig.model_validate_json({config!r})
train(TinyTrainable(seed=0, noise=0.0), open_samples(Path({data!r})), config, Path({out!r}), about={{}})
state = PartialState()
Path({out!r}, f"rank-{{state.process_index}}-of-{{state.num_processes}}").touch()
"""


def test_two_processes_give_the_weights_of_one(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(10)
    config = CONFIG.model_copy(update={"steps": 3})
    train(TinyTrainable(seed=0, noise=0.0), samples, config, tmp_path / "one", about={})
    script = tmp_path / "train_tiny.py"
    script.write_text(
        _SCRIPT.format(
            tests=str(Path(__file__).parents[1]),
            config=config.model_dump_json(),
            data=str(tmp_path / "tiny"),
            out=str(tmp_path / "two"),
        )
    )
    # What `accelerate launch` does on GPUs; without one it starts a single process, whatever it is asked for.
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", str(script)],
        check=True,
        capture_output=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert sorted(path.name for path in (tmp_path / "two").glob("rank-*")) == ["rank-0-of-2", "rank-1-of-2"]
    one, two = (load_file(tmp_path / run / "weights.safetensors") for run in ("one", "two"))
    for name in ("0.weight", "0.bias"):
        torch.testing.assert_close(one[name], two[name], rtol=1e-5, atol=1e-6)


def test_worker_processes_and_parts_of_a_batch_change_nothing_but_rounding(
    make_samples: MakeSamples, tmp_path: Path
) -> None:
    samples = make_samples(10)
    _run(tmp_path / "thread", samples)
    _run(tmp_path / "workers", samples, workers=2, device="cpu")
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("thread", "workers"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert all("waiting_seconds" in line for line in _log(tmp_path / "workers"))
    for name, parts in (("whole", 1), ("halves", 2)):
        config = CONFIG.model_copy(update={"accumulate": parts})
        about = {"method": "tiny"}
        train(TinyTrainable(seed=0, noise=0.0), samples, config, tmp_path / name, about=about)
    whole, halves = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "halves"))
    assert all(torch.allclose(whole[key], halves[key], atol=1e-5) for key in whole)
    with pytest.raises(DataError, match="a batch of 4 cannot be cut into 3 equal parts"):
        _run(tmp_path / "thirds", samples, CONFIG.model_copy(update={"accumulate": 3}))
    with pytest.raises(DataError, match="another training"):
        _run(tmp_path / "thread", samples, CONFIG.model_copy(update={"accumulate": 2}))


def test_trainings_older_than_accumulation_continue(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(10)
    _run(tmp_path, samples, stop_after=2)
    assert "accumulate" not in json.loads((tmp_path / "training.json").read_text())["training"]
    _run(tmp_path, samples)


def test_fewer_workers_than_none_are_refused(make_samples: MakeSamples, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="workers is -1; give 0 for a thread"):
        _run(tmp_path / "out", make_samples(2), workers=-1)
    assert not (tmp_path / "out").exists()


def test_one_process_trains_in_one_precision_after_another(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(5)
    for precision in ("fp32", "bf16", "fp32"):
        config = CONFIG.model_copy(update={"steps": 1, "precision": precision})
        weights = _run(tmp_path / f"{precision}-{len(list(tmp_path.iterdir()))}", samples, config)
        assert read_card(weights)["precision"] == precision
