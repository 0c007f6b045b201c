"""The command behind `mdlp-bench train reader`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from mdlp_bench.cli.options import DeviceOption
from mdlp_bench.errors import DataError, checked, no_such
from mdlp_bench.yaml_text import read_yaml

_NETWORKS: Final = ("crnn", "teacher", "rectifying")


def train_reader_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder; a stopped training continues.")],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="A YAML file with fields of ReaderTraining, or of RectifyingTraining with "
            "network: rectifying.",
            show_default="the training of crnn",
        ),
    ] = None,
    device: DeviceOption = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the log as JSON lines.")] = False,
) -> None:
    """Train a reader on rendered plates only.

    It renders its own plates, so it needs no data. OUT gets the weight file, ready to read with, and the log
    of every network.
    """
    import torch

    from mdlp_bench.device import Compute
    from mdlp_bench.training.reader import ReaderTraining, train_reader
    from mdlp_bench.training.rectifying import PARTS, RectifyingTraining, train_rectifying

    place = Compute.resolve(device).device
    asked = (config and read_yaml(config)) or {}
    torch.set_num_threads(threads)
    steps: dict[str, int]

    def report(line: dict[str, object]) -> None:
        if as_json:
            typer.echo(json.dumps(line))
            return
        figures = dict(line)
        name, step, loss, seconds = (figures.pop(key, "") for key in ("network", "step", "loss", "seconds"))
        held_out = ", ".join(f"{figure} {value}" for figure, value in figures.items())
        reached = f"{name} step {step} of {steps[str(name)]}".strip()
        typer.echo(f"{reached}: loss {loss}; held-out renders: {held_out} ({seconds} s)")

    network = str(asked.get("network", "crnn")) if isinstance(asked, dict) else "crnn"
    if network not in _NETWORKS:
        raise no_such("network", network, _NETWORKS, DataError, where=str(config))
    if network == "rectifying":
        rectifying = checked(RectifyingTraining, asked, str(config))
        steps = {part: getattr(rectifying, part).steps for part in PARTS}
        weights = train_rectifying(rectifying, out, report, device=place)
    else:
        training = checked(ReaderTraining, asked, str(config))
        steps = {"": training.steps}
        weights = train_reader(training, out, report, device=place)
    if not as_json:
        typer.echo(f"wrote {weights}; to read with it: --reader {weights}")
