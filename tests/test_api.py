from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mdlp_bench as mb
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError, MethodError


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


@pytest.mark.parametrize("name", ["predict", "score", "bench", "train"])
def test_defaults_are_those_of_the_command_line(name: str) -> None:
    from typer.main import get_command

    from mdlp_bench.cli.main import app

    command: Any = get_command(app).commands[name]  # type: ignore[attr-defined]
    if name == "train":
        command = command.commands["srcnn"]
    options = {option.name: option.default for option in command.params}
    alias = {"readers": "reader"}
    compared = 0
    for parameter in inspect.signature(getattr(mb, name)).parameters.values():
        option = alias.get(parameter.name, parameter.name)
        if parameter.default is parameter.empty or option not in options or option == "engine":
            continue
        assert parameter.default == options[option], f"{name}({parameter.name}=...)"
        compared += 1
    assert compared >= 4


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
    with pytest.raises(DataError, match="no plate of blue"):
        mb.render("hello", layout="blue")
    with pytest.raises(DataError, match="difficulty is 2"):
        mb.render(difficulty=2)
    first, again = (mb.degrade(mb.render(seed=1).image, seed=s, frames=2) for s in (5, 5))
    assert len(first) == 2 and all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_network_is_reached_by_the_name_of_its_method() -> None:
    network = mb.load_network("srcnn")
    assert not network.training and sum(p.numel() for p in network.parameters()) > 0
    with pytest.raises(MethodError, match="has no network"):
        mb.load_network("bicubic")
