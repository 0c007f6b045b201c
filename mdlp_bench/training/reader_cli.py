"""The command behind `mdlp-bench train reader`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mdlp_bench.errors import DataError
from mdlp_bench.files import read_json


def train_reader_command(
    out: Annotated[Path, typer.Argument(help="Folder of the run; an interrupted one is continued.")],
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="JSON with the fields of ReaderTraining.", show_default="the bundled weights' recipe"
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print log lines as JSON.")] = False,
) -> None:
    """Train the CRNN reader on rendered plates only.

    Renders its own pool of plates, so it needs no data. `OUT/crnn.safetensors` is written at every checkpoint
    and can be read with at any time; figures go to `OUT/log.jsonl`.
    """
    import torch
    from pydantic import ValidationError

    from mdlp_bench.training.reader import ReaderTraining, train_reader

    try:
        training = ReaderTraining.model_validate(read_json(recipe) if recipe else {})
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{recipe}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    torch.set_num_threads(threads)

    def report(line: dict[str, object]) -> None:
        if as_json:
            typer.echo(json.dumps(line))
        else:
            typer.echo(
                f"step {line['step']} of {training.steps}: loss {line['loss']}, held-out renders exact "
                f"{line['exact']}, NED {line['ned']} ({line['seconds']} s)"
            )

    weights = train_reader(training, out, report)
    if not as_json:
        typer.echo(f"wrote {weights}")
