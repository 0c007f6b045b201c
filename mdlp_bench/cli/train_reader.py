"""The command behind `mdlp-bench train reader`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mdlp_bench.cli.options import DeviceOption
from mdlp_bench.errors import checked
from mdlp_bench.yaml_text import read_yaml


def train_reader_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder; a stopped training continues.")],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="A YAML file with fields of ReaderTraining.", show_default="the bundled weights'"
        ),
    ] = None,
    device: DeviceOption = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the log as JSON lines.")] = False,
) -> None:
    """Train the CRNN reader on rendered plates only.

    It renders its own plates, so it needs no data. OUT gets crnn.safetensors, at every checkpoint and ready
    to read with, and log.jsonl.
    """
    import torch

    from mdlp_bench.device import Compute
    from mdlp_bench.training.reader import ReaderTraining, train_reader

    place = Compute.resolve(device).device
    training = checked(ReaderTraining, (config and read_yaml(config)) or {}, str(config))
    torch.set_num_threads(threads)

    def report(line: dict[str, object]) -> None:
        if as_json:
            typer.echo(json.dumps(line))
        else:
            typer.echo(
                f"step {line['step']} of {training.steps}: loss {line['loss']}, held-out renders exact "
                f"{line['exact']}, NED {line['ned']} ({line['seconds']} s)"
            )

    weights = train_reader(training, out, report, device=place)
    if not as_json:
        typer.echo(f"wrote {weights}")
