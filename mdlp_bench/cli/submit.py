"""The commands that write and score files of competitions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from mdlp_bench.cli.console import counted, echo_json
from mdlp_bench.cli.options import DataArgument, JsonOption, LabelsOption, OrderOption, SplitOption

_LRLPR_EXAMPLES = """Examples:\n
  mdlp-bench predict reading-fusion-latin LRLPR/test-public -o preds/fusion\n
  mdlp-bench submit lrlpr preds/fusion -o fusion.zip\n
  mdlp-bench submit lrlpr readings.csv -o mine.zip"""
_SCORE_EXAMPLES = """Example:\n
  mdlp-bench submit lrlpr-score fusion.zip LRLPR/train"""


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    group = typer.Typer(help="Write and score the files of competitions.", no_args_is_help=True)
    group.command("lrlpr", epilog=_LRLPR_EXAMPLES)(lrlpr)
    group.command("lrlpr-score", epilog=_SCORE_EXAMPLES)(lrlpr_score)
    app.add_typer(group, name="submit")


def lrlpr(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="PREDS|READINGS",
            help="The folder that `predict` wrote, or a table with the columns sample_id,text,confidence.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The zip file to write.")],
    reader: Annotated[
        str, typer.Option("--reader", help="Reader of predicted images; texts need none. auto is crnn-latin.")
    ] = "crnn-latin",
) -> None:
    """Write a submission to the ICPR 2026 challenge on low-resolution plates (LRLPR)."""
    from mdlp_bench.leaderboard.lrlpr import READER, UNREAD, collect_readings, write_submission
    from mdlp_bench.readers import AUTO, check_reader, load_reader

    chosen = READER if reader == AUTO else reader
    check_reader(chosen)
    readings = collect_readings(source, lambda: load_reader(chosen))
    unread = write_submission(readings, out)
    typer.echo(f"wrote {out}: {counted(len(readings), 'track')}")
    if unread:
        typer.echo(f"{unread} of them without seven characters, written as {UNREAD} with confidence 0")


def lrlpr_score(
    submission: Annotated[Path, typer.Argument(help="A submission zip.", show_default=False)],
    data: DataArgument,
    split: SplitOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score an LRLPR submission on tracks whose texts are known, as the challenge does."""
    from mdlp_bench.data import open_samples
    from mdlp_bench.leaderboard.lrlpr import score_submission

    found = score_submission(submission, open_samples(data, split=split, order=order, labels=labels))
    if as_json:
        rates = {
            "recognition_rate": found.recognition_rate.model_dump(),
            "by_layout": {name: estimate.model_dump() for name, estimate in found.by_layout.items()},
        }
        echo_json(dataclasses.asdict(found) | rates)
        return
    for name, rate in (("recognition rate", found.recognition_rate), *found.by_layout.items()):
        limits = "" if rate.low is None else f" [{rate.low:.4f}, {rate.high:.4f}]"
        counts = f"{counted(rate.n or 0, 'track')}, {counted(rate.n_plates or 0, 'plate')}"
        typer.echo(f"{name}: {rate.value:.4f}{limits} ({counts})")
    gap = "none: all right or all wrong" if found.confidence_gap is None else f"{found.confidence_gap:.4f}"
    typer.echo(f"confidence gap: {gap}")
    if found.missing:
        typer.echo(f"without a line, so wrong: {counted(found.missing, 'track')}")
    if found.indistinct is not None:
        typer.echo(
            "two submissions with this rate, on as many tracks of as many plates, may differ by "
            f"{100 * found.indistinct:.1f} points by chance alone"
        )
