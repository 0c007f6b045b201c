"""The command that measures from which confidence a reader can be believed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from mdlp_bench.cli.options import DeviceOption, JsonOption, ScoringPrecisionOption, show_progress

_EXAMPLES = """Examples:\n
  mdlp-bench calibrate crnn\n
  mdlp-bench calibrate onnx:mine.onnx --plates 5000"""


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=_EXAMPLES)(calibrate)


def calibrate(
    reader: Annotated[str, typer.Argument(help="A reader's name, onnx:PATH or file.py:NAME.")],
    plates: Annotated[int, typer.Option(min=100, help="Rendered plates to read.")] = 2000,
    device: DeviceOption = "auto",
    precision: ScoringPrecisionOption = "fp32",
    as_json: JsonOption = False,
) -> None:
    """Find the confidence from which at most 1 % of a reader's readings are wrong.

    The share of hallucinations counts readings with at least that confidence. It goes into the descriptor of
    a Reader, or as believed_from into the JSON beside an ONNX network.
    """

    from mdlp_bench.device import Compute
    from mdlp_bench.progress import progress_bar
    from mdlp_bench.readers import load_reader
    from mdlp_bench.training import calibration

    loaded = load_reader(reader).to(Compute.for_scoring(device, precision).device)
    with (
        TemporaryDirectory() as folder,
        progress_bar(plates, "Reading", "plate", shown=show_progress(as_json)) as bar,
    ):
        found = calibration.calibrate(loaded, Path(folder), plates=plates, progress=bar.update)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found)))
        return
    typer.echo(f"{plates} rendered plates, {found.exact:.1%} read exactly")
    if found.believed_from is None:
        typer.echo("even its most confident readings are wrong more often than once in a hundred, or too few")
    else:
        typer.echo(f"believed_from: {found.believed_from} ({found.believed:.1%} of the readings)")
