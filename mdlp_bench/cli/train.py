"""The command that trains: every trainable method through the same loop, and the reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from mdlp_bench.cli.console import opened
from mdlp_bench.cli.options import (
    DataArgument,
    DeviceOption,
    JsonOption,
    LabelsOption,
    LimitOption,
    OrderOption,
)
from mdlp_bench.cli.train_reader import train_reader_command
from mdlp_bench.userfiles import TRAINABLE_GROUP, is_file_spec, registered


def register(app: typer.Typer) -> None:
    """Add `train` with one command per trainable method, for `file.py:NAME`, and `reader`."""
    group = typer.Typer(no_args_is_help=True, cls=_FilesToo)
    for name in registered(TRAINABLE_GROUP):
        _add_command(group, name)
    group.command("reader")(train_reader_command)
    app.add_typer(group, name="train", help=_GROUP_HELP)


class _FilesToo(TyperGroup):
    """A group that also takes `file.py:NAME`, a trainable of the user's own, as a command."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if not is_file_spec(cmd_name):
            return super().get_command(ctx, cmd_name)
        app = typer.Typer(add_completion=False)
        _add_command(app, cmd_name)
        return get_command(app)


def _add_command(app: typer.Typer, name: str) -> None:
    app.command(name, help=_HELP.format(name=name), epilog=_EXAMPLES.format(name=name))(_command_of(name))


_GROUP_HELP = """Train a restoration method, a network of your own (`file.py:NAME`), or the reader.

NAME is a Trainable of the file, or a function of options that makes one:
mdlp-bench train my_net.py:MyTrainable DATA --out runs/mine; then
mdlp-bench bench DATA --methods my_net.py:MyTrainable=runs/mine/weights.safetensors -o out."""


_HELP = """Train {name}.

The run folder gets weights.safetensors (averaged weights, at every checkpoint), log.jsonl and samples as
pictures. The same command continues a stopped training, with the same result as if it had not stopped."""
_EXAMPLES = """Examples:\n
  mdlp-bench train {name} DATA --out runs/{name}\n
  mdlp-bench train {name} DATA --out runs/{name} --config my.yaml --validation VAL\n
  accelerate launch --num_processes 4 -m mdlp_bench train {name} DATA --out runs/{name}"""


def _command_of(method: str) -> Callable[..., None]:
    def train(
        data: DataArgument,
        out: Annotated[
            Path, typer.Option("--out", "-o", help="The run folder; a stopped training continues.")
        ],
        split: Annotated[str, typer.Option("--split", help="Train on this split.")] = "train",
        config: Annotated[
            str | None,
            typer.Option(
                "--config",
                help="A size the method knows, or a YAML file with the sections options and training.",
                show_default="the method's",
            ),
        ] = None,
        validation: Annotated[
            Path | None,
            typer.Option(
                "--validation",
                help="Data never trained on, for figures and pictures.",
                show_default="split val of DATA, if there is one",
            ),
        ] = None,
        start: Annotated[
            Path | None,
            typer.Option("--start", help="Start from these weights.", show_default="random weights"),
        ] = None,
        steps: Annotated[
            int | None,
            typer.Option("--steps", min=1, help="Optimiser steps.", show_default="the configuration's"),
        ] = None,
        seed: Annotated[
            int | None,
            typer.Option("--seed", min=0, help="Seed of all draws.", show_default="the configuration's"),
        ] = None,
        stop_after: Annotated[
            int | None,
            typer.Option("--stop-after", min=1, help="Stop after this step.", show_default="the last"),
        ] = None,
        threads: Annotated[
            int | None, typer.Option("--threads", min=1, help="CPU threads.", show_default="one per core")
        ] = None,
        order: OrderOption = None,
        labels: LabelsOption = None,
        limit: LimitOption = None,
        device: DeviceOption = "auto",
        workers: Annotated[
            int | None,
            typer.Option(
                "--workers",
                min=0,
                help="Processes that prepare batches; 0 for a thread. The batches are the same.",
                show_default="0, on a GPU one per core up to 8",
            ),
        ] = None,
        precision: Annotated[
            str | None,
            typer.Option("--precision", help="auto, fp32 or bf16.", show_default="the configuration's"),
        ] = None,
        as_json: JsonOption = False,
    ) -> None:
        import torch

        from mdlp_bench.data import open_samples
        from mdlp_bench.device import check_asked
        from mdlp_bench.training.methods import train_method
        from mdlp_bench.training.registry import read_recipe

        # The splits of a data set may be known only after all of its images have been read.
        check_asked(device)
        if threads is not None:
            torch.set_num_threads(threads)
        recipe = read_recipe(config, steps=steps, seed=seed, precision=precision)
        every = opened(data, order=order, labels=labels, limit=limit)
        held_out = None
        if validation is not None:
            held_out = open_samples(validation)
        elif "val" in every.splits:
            held_out = every.select(split="val")

        def report(line: dict[str, Any]) -> None:
            if as_json:
                typer.echo(json.dumps(line))
            else:
                typer.echo(f"{line['step']}/{recipe.training.steps}  {figures_of(line)}")

        weights = train_method(
            method,
            every.select(split=split),
            recipe,
            out,
            validation=held_out,
            start=start,
            stop_after=stop_after,
            device=device,
            workers=workers,
            report=report,
        )
        if not as_json:
            typer.echo(f"wrote {weights}")

    return train


def figures_of(line: dict[str, Any]) -> str:
    """A log line's figures as words."""
    found = line.get("validation", line)
    return "  ".join(f"{name} {value}" for name, value in found.items() if name != "step")
