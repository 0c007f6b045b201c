"""The command that measures from which confidence on a reader can be believed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from mdlp_bench.cli.console import echo_json, make_console, make_table
from mdlp_bench.cli.options import DeviceOption, JsonOption, ScoringPrecisionOption

if TYPE_CHECKING:
    from mdlp_bench.harness.statistics import Estimate

_EXAMPLES = """Examples:\n
  mdlp-bench calibrate crnn-3\n
  mdlp-bench calibrate onnx:mine.onnx --plates 5000

  mdlp-bench calibrate crnn-3 --runs out/runs --error-rate 0.05"""


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=_EXAMPLES)(calibrate)


def calibrate(
    reader: Annotated[
        str, typer.Argument(help="A reader's name, onnx:PATH, FILE.safetensors or file.py:NAME.")
    ],
    plates: Annotated[int, typer.Option(min=100, help="Rendered plates to read.")] = 2000,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--runs", help="Folder with runs: show how reliable the reader's confidences are on each."
        ),
    ] = None,
    error_rate: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Share of wrong readings allowed, with --runs.")
    ] = 0.01,
    device: DeviceOption = "auto",
    precision: ScoringPrecisionOption = "fp32",
    as_json: JsonOption = False,
) -> None:
    """Find the confidence from which at most 1 % of a reader's readings are wrong.

    The share of hallucinations counts readings with at least that confidence. It goes into the descriptor of
    a Reader, or as believed_from into the JSON beside an ONNX network.

    With --runs nothing is read. For each method the table shows how many of its readings pass the threshold,
    how many of those are wrong, and from which confidence this method's readings could be believed.
    """
    if runs:
        _calibrate_methods(reader, runs, error_rate, as_json)
        return
    from mdlp_bench.device import Compute
    from mdlp_bench.readers import load_reader
    from mdlp_bench.training import calibration

    loaded = load_reader(reader).to(Compute.for_scoring(device, precision).device)
    with TemporaryDirectory() as folder:
        found = calibration.calibrate(loaded, Path(folder), plates=plates)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found)))
        return
    typer.echo(f"{plates} rendered plates, {found.exact:.1%} read exactly")
    if found.believed_from is None:
        typer.echo("more than one in a hundred of its most confident readings is wrong, or there are too few")
    else:
        typer.echo(f"believed_from: {found.believed_from} ({found.believed:.1%} of the readings)")


def _calibrate_methods(reader: str, folders: list[Path], error_rate: float, as_json: bool) -> None:
    from mdlp_bench.harness.calibration import calibrate_method, find_runs

    found = [calibrate_method(run, reader, error_rate) for run in find_runs(folders, reader)]
    if as_json:
        echo_json([one.model_dump(mode="json") for one in found])
        return
    title = f"Readings by {reader}"
    own = f"confidence from which {error_rate:.1%} are wrong"
    table = make_table(title, "method", "readings", "believed", "wrong of these", own)
    for one in found:
        wrong = "" if one.wrong_if_believed is None else _share(one.wrong_if_believed)
        limit = "none" if one.believed_from is None else f"{one.believed_from:.3f}"
        table.add_row(one.method, f"{one.n:,}", _share(one.believed), wrong, limit)
    make_console().print(table)


def _share(found: Estimate) -> str:
    limits = "" if found.low is None or found.high is None else f" [{found.low:.1%}, {found.high:.1%}]"
    return f"{found.value:.1%}{limits}"
