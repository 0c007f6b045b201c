from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import sample_row

import mdlp_bench as mb
from mdlp_bench import api
from mdlp_bench.data.samples import Samples
from mdlp_bench.device import Compute
from mdlp_bench.errors import DataError, MdlpBenchError, MethodError, RunError, SubmissionError
from mdlp_bench.methods import FrameBatch
from mdlp_bench.methods.tensors import to_images, to_tensor


def test_the_readme_walk_through(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    make_samples(4, name="DATA")
    reader = tmp_path / "reader.py"
    reader.write_text("def read(images):\n    return ['京A10000' for _ in images]\n")
    data = mb.open(tmp_path / "DATA", split="test")
    predictions = mb.predict("bicubic", data, tmp_path / "preds")
    run = mb.score(predictions, data, tmp_path / "run", readers=[f"{reader}:read"], lpips="none")
    assert run.summary["ned"].mean is not None
    assert mb.compare([run]).best_first() == [run]


def test_a_decorated_function_is_a_method() -> None:
    @mb.method(frames=2, title="Mean of two")
    def restore_mean(frames: np.ndarray) -> np.ndarray:
        return frames.mean(axis=1).astype("uint8")

    assert isinstance(restore_mean, mb.Method)
    assert (restore_mean.descriptor.name, restore_mean.descriptor.frames_used) == ("restore-mean", 2)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, mdlp_bench; print(sorted({'torch', 'numpy', 'pyarrow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_with_an_example() -> None:
    assert dir(mb) == mb.__all__
    for name in mb.__all__:
        documentation = getattr(mb, name).__doc__
        assert documentation and ">>> import mdlp_bench as mb" in documentation.replace(
            "numpy as np, ", ""
        ), name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = mb.nonsense


COMMANDS = {
    **{name: name for name in ("predict", "score", "bench", "compare", "plot")},
    "train": "train srcnn",
    **{name: f"data {name}" for name in ("open", "export", "pair", "split", "audit", "render")},
    "synthesise": "data synth",
    "gap_study": "gap study",
    "pack": "leaderboard pack",
    "Leaderboard.add": "leaderboard add",
}
OTHER_NAMES = {"readers": "reader", "metrics": "metric"}
# The function's default is the command's as an object.
AS_OBJECTS = {"engine", "ratios", "by", "kind"}


@pytest.mark.parametrize("name", COMMANDS)
def test_defaults_are_those_of_the_command_line(name: str) -> None:
    from typer.main import get_command

    from mdlp_bench.cli.main import app

    command: Any = get_command(app)
    for word in COMMANDS[name].split():
        command = command.commands[word]
    options = {option.name: option.default for option in command.params}
    compared = 0
    for parameter in inspect.signature(attrgetter(name)(mb)).parameters.values():
        option = OTHER_NAMES.get(parameter.name, parameter.name)
        if parameter.default is parameter.empty or option not in options or option in AS_OBJECTS:
            continue
        # Lists of the command line are empty where nothing is given.
        assert (parameter.default or None) == (options[option] or None), f"{name}({parameter.name}=...)"
        compared += 1
    assert compared, name
    missing = {"device", "workers"} & options.keys() - inspect.signature(
        attrgetter(name)(mb)
    ).parameters.keys()
    assert not missing - ({"workers"} if "engine" in options else set()), f"{name} takes no {missing}"


def test_paths_are_words_or_paths(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    make_samples(4, name="DATA")
    data = mb.open(str(tmp_path / "DATA"), split="test")
    reader = tmp_path / "reader.py"
    reader.write_text("def read(images):\n    return ['京A10000' for _ in images]\n")
    for kind in (str, Path):
        out = kind(tmp_path / f"run-{kind.__name__}")
        run = mb.score(
            mb.predict("bicubic", data, kind(tmp_path / "preds")),
            data, out, readers=[f"{reader}:read"], lpips="none",
        )  # fmt: skip
        assert [one.name for one in mb.compare([out]).best_first()] == [run.name]


def test_a_path_is_a_data_set_and_a_single_thing_a_list_of_one(
    make_samples: Callable[..., Samples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_samples(6, name="DATA")
    monkeypatch.chdir(tmp_path)
    Path("reader.py").write_text("def read(images):\n    return ['京A10000' for _ in images]\n")
    Path("edges.py").write_text(
        "import mdlp_bench as mb\n"
        "@mb.metric(higher_is_better=False, worst=255.0)\n"
        "def edge_error(restored, gt):\n    return abs(restored.astype(float) - gt).mean(axis=(1, 2, 3))\n"
    )
    Path("mine.py").write_text("def restore(frames):\n    return frames[:, 0]\n")
    reader: Any = "reader.py:read"
    one = mb.bench(
        Path("mine.py:restore"), "DATA", "b1",
        readers=reader, metrics="edges.py:edge_error", lpips="none", fid=False,
    )  # fmt: skip
    assert set(one.names) == {"mine-restore", "ground-truth", "input"}
    assert one.runs[0].summary["edge_error"].mean is not None
    for runs in (
        "b1",
        Path("b1"),
        ["b1"],
        [Path("b1/runs")],
        [mb.compare("b1").by_name[n] for n in one.names],
    ):
        again = mb.compare(runs, columns="psnr")
        assert set(again.names) == set(one.names) and len(again.table.columns) == 1
    assert mb.plot("b1", "rank").get_figwidth() > 0
    assert mb.compare(one.by_name["input"]).names == ("input",)

    predictions = mb.predict(mb.load_method(Path("mine.py:restore")), Path("DATA"), "preds")
    assert len(list(predictions)) == predictions.record.dataset.n_samples == 6
    run = mb.score("preds", "DATA", "run", readers=Path(reader), lpips="none", fid=False, aligned=False)
    assert run.record.readers[0].name == "reader:read"
    assert mb.audit("DATA").leaks == 0
    assert mb.export("DATA", "copy") == 6
    assert mb.split("DATA", "split", by="plate_id").splits
    assert len(mb.synthesise("synth", "bicubic", plates="DATA", frames=2)) == 6
    mb.sample_figure("DATA", "frames.png")

    for wrong in (["DATA"], 3, None):
        with pytest.raises(DataError, match="is no data set; give its folder, or what"):
            mb.predict("bicubic", wrong, "never")  # type: ignore[arg-type]
    with pytest.raises(RunError, match="a Run holds no predictions"):
        mb.score(run, "DATA", "never")  # type: ignore[arg-type]
    with pytest.raises(MethodError, match="no method 'bicubic,lanczos'"):
        mb.bench("bicubic,lanczos", "DATA", "never", readers=reader, lpips="none", fid=False)
    with pytest.raises(RunError, match="nowhere: no such folder"):
        mb.compare("nowhere")


def test_training_on_a_path_takes_the_splits_of_the_command_line(
    make_samples: Callable[..., Samples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from mdlp_bench.training import methods

    rows = [sample_row(n, split=s) for n, s in enumerate(["train", "val", "test", "train"])]
    make_samples(rows=rows, name="DATA")
    called: dict[str, Any] = {}

    def train_method(method: str, samples: Samples, recipe: object, out: Path, **options: Any) -> Path:
        called.update(options, method=method, samples=samples)
        return out

    monkeypatch.setattr(methods, "train_method", train_method)
    device = torch.device("cpu")
    mb.train(Path("net.py:Net"), tmp_path / "DATA", tmp_path / "run", device=device)
    assert (called["method"], called["device"]) == ("net.py:Net", "cpu")
    assert dict(called["samples"].splits) == {"train": 2} and dict(called["validation"].splits) == {"val": 1}
    whole = mb.open(tmp_path / "DATA")
    mb.train("srcnn", whole, tmp_path / "run", validation=str(tmp_path / "DATA"))
    assert called["samples"] is whole and len(called["validation"]) == 4

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(api, "as_samples", lambda given: pytest.fail("data were opened first"))
    with pytest.raises(MdlpBenchError, match="device cuda: not on this machine"):
        mb.train("srcnn", tmp_path / "DATA", tmp_path / "run", device="cuda")


def test_files_that_both_define_restore_are_benchmarked_together(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    for name, decorated in (
        ("first", ""),
        ("second", "@mb.method(frames=3)\n"),
        ("third", "@mb.method(frames=3)\n"),
    ):
        (tmp_path / f"{name}.py").write_text(
            f"import mdlp_bench as mb\n{decorated}def restore(frames):\n    return frames[:, 0]\n"
        )
    specs = [f"{tmp_path / name}.py:restore" for name in ("first", "second", "third")]
    assert [mb.load_method(spec).descriptor.name for spec in specs] == [
        "first-restore", "second-restore", "third-restore",
    ]  # fmt: skip


def test_render_and_degrade_refuse_what_they_cannot_draw() -> None:
    assert mb.render("京p20·s75").text == "京P20S75"
    assert mb.render(layout="black", seed=4).layout == "black"
    with pytest.raises(DataError, match="not a plate of blue"):
        mb.render("hello", layout="blue")
    with pytest.raises(DataError, match="difficulty is 2"):
        mb.render(difficulty=2)
    first, again = (mb.degrade(mb.render(seed=1).image, seed=s, frames=2) for s in (5, 5))
    assert len(first) == 2 and all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(("name", "shape"), [("lp-diff", (2, 3, 3, 112, 224)), ("resdiff", (2, 3, 112, 224))])
def test_calling_a_network_restores_as_its_method_does(name: str, shape: tuple[int, ...]) -> None:
    import torch

    given = np.random.default_rng(0).integers(0, 256, (2, 3, 112, 224, 3), np.uint8)
    batch = FrameBatch(("a", "b"), tuple(map(tuple, given)), compute=Compute("cpu", "fp32", "batched"))
    frames = to_tensor(given) if len(shape) == 5 else to_tensor(given[:, -1])
    assert frames.shape == shape
    with torch.inference_mode():
        restored = mb.load_network(name)(frames, batch.seeds)
    apart = np.abs(to_images(restored).astype(int) - mb.load_method(name).restore_batch(batch))
    assert (apart <= 1).all()


def test_a_network_is_a_method_and_stays_in_training(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    from torch import nn

    class Last(nn.Module):
        frames = 2

        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Conv2d(3, 3, 1)

        def forward(self, frames: Any) -> Any:
            assert not self.training and frames.shape[1:] == (2, 3, 112, 224)
            return self.mix(frames[:, -1])

    samples, network = make_samples(3), Last()
    made = mb.predict(network, samples, tmp_path / "preds", device="cpu")
    assert (made.record.method.name, made.record.n_failed) == ("last", 0) and network.training
    nn.init.zeros_(network.mix.weight)
    with pytest.raises(RunError, match="differ"):
        mb.predict(network, samples, tmp_path / "preds", device="cpu")
    layers = nn.Sequential(nn.Flatten(1, 2), nn.Conv2d(9, 3, 1))
    bench = mb.bench(layers, samples, tmp_path / "out", lpips="none", aligned=False, fid=False, device="cpu")
    assert [run.name for run in bench.best_first()] == ["sequential"]
    for wrong in (lambda frames: frames, None, 3, Last):
        with pytest.raises(MethodError, match="is no method; give a name"):
            mb.predict(wrong, samples, tmp_path / "other")  # type: ignore[arg-type]


def test_a_network_is_reached_by_the_name_of_its_method() -> None:
    import torch

    network = mb.load_network(Path("srcnn"), device=torch.device("cpu:0"))
    assert not network.training and sum(p.numel() for p in network.parameters()) > 0
    with pytest.raises(MethodError, match="has no network"):
        mb.load_network("bicubic")


def test_curation_says_what_is_wrong_with_an_argument(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    data = make_samples(4, name="DATA")
    with pytest.raises(DataError, match="did you mean 'mdlp'"):
        mb.export(data, tmp_path / "out", to="mdlpp")
    with pytest.raises(DataError, match=r"audit: .*nonsense"):
        mb.audit(data, config={"nonsense": 1})
    with pytest.raises(DataError, match="split is for rendered plates"):
        mb.synthesise(tmp_path / "out", plates=data, split="test")
    with pytest.raises(DataError, match="leave keep out"):
        mb.split(data, tmp_path / "out", keep=True, search=3)
    assert not (tmp_path / "out").exists()


def test_a_form_takes_what_the_predictions_say(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    predictions = mb.predict("bicubic", make_samples(4, name="DATA"), tmp_path / "preds")
    form = {
        "authors": ["A. Author"], "contact": "author@example.org", "hardware": "one CPU core",
        "uses_synthetic": False, "extra_data": False, "test_set_not_trained_on": True,
    }  # fmt: skip
    packed = mb.pack(predictions, tmp_path / "mine.zip", form | {"version": "2.0"})
    assert (packed.method, packed.version, packed.frames_used, packed.n_parameters) == (
        "Bicubic",
        "2.0",
        1,
        0,
    )
    with pytest.raises(SubmissionError, match="the form: contact"):
        mb.pack(predictions, tmp_path / "bad.zip", {k: v for k, v in form.items() if k != "contact"})
    with pytest.raises(SubmissionError, match="the form: colour"):
        mb.pack(predictions, tmp_path / "bad.zip", form | {"colour": "blue"})
    assert not (tmp_path / "bad.zip").exists()


def test_a_comparison_knows_how_many_plates_a_difference_takes(
    make_samples: Callable[..., Samples], tmp_path: Path
) -> None:
    data = make_samples(12, name="DATA")
    comparison = mb.bench(["bicubic", "frame-mean"], data, tmp_path / "out", lpips="none")
    few, many = (
        comparison.detectable_difference("psnr", "bicubic", "frame-mean", n_plates=n) for n in (12, 1200)
    )
    assert few > 8 * many > 0
    with pytest.raises(RunError, match="did you mean 'bicubic'"):
        comparison.detectable_difference("psnr", "bicubik", "frame-mean")
    with pytest.raises(RunError, match="no values per sample of 'fid'"):
        comparison.detectable_difference("fid", "bicubic", "frame-mean")
