"""The leaderboard verbs: pack, validate, run, add, check, build, serve, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Submit predictions, recompute their scores, rank them, and build the site.", no_args_is_help=True
)

SubmissionArgument = Annotated[Path, typer.Argument(help="A submission zip.", show_default=False)]

_PACK_EXAMPLES = """Examples:\n
  mdlp-bench leaderboard pack preds/mine --init --form submission.yaml -o mine.zip\n
  mdlp-bench leaderboard pack preds/mine -o mine.zip"""


@app.command(epilog=_PACK_EXAMPLES)
def pack(
    predictions: Annotated[
        Path, typer.Argument(help="What `predict` wrote, or a folder of <sample_id>.png.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The zip to write.")],
    form: Annotated[
        Path | None, typer.Option("--form", help="The form.", show_default="PREDICTIONS/submission.yaml")
    ] = None,
    init: Annotated[
        bool, typer.Option("--init", help="Ask for everything and write the form first.")
    ] = False,
    run: Annotated[
        Path | None, typer.Option("--run", help="With --init: claim the scores of this run folder.")
    ] = None,
) -> None:
    """Pack predictions and their form as a submission."""
    from mdlp_bench.files import write_text
    from mdlp_bench.leaderboard.pack import interview
    from mdlp_bench.leaderboard.pack import pack as make
    from mdlp_bench.leaderboard.submission import SUBMISSION_FILE

    path = form or predictions / SUBMISSION_FILE
    if init:
        filled = interview(
            predictions,
            run,
            lambda question, default: typer.prompt(question, default=default, show_default=bool(default)),
            lambda reason: typer.secho(reason, fg=typer.colors.YELLOW, err=True),
        )
        write_text(path, filled.to_yaml())
        typer.echo(f"form written: {path}")
    submission = make(predictions, path, out)
    typer.echo(
        f"{submission.method} {submission.version} packed: {out} ({out.stat().st_size / 2**20:.1f} MB)"
    )


_VALIDATE_EXAMPLES = """Examples:\n
  mdlp-bench leaderboard validate mine.zip\n
  mdlp-bench leaderboard validate mine.zip --dataset DATA --split test"""


@app.command(epilog=_VALIDATE_EXAMPLES)
def validate(
    archive: SubmissionArgument,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", "-d", help="Also check that every sample is there.")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Split of the data set.")] = None,
) -> None:
    """Check a submission; every fault is named with its remedy (exit code 1)."""
    from mdlp_bench.leaderboard.validate import summary
    from mdlp_bench.leaderboard.validate import validate as check

    sample_ids = None
    if dataset is not None:
        from mdlp_bench.data import open_samples

        sample_ids = open_samples(dataset, split=split).sample_ids
    report = check(archive, sample_ids)
    if report.valid:
        typer.echo(summary(report))
        return
    for line in report.faults.lines():
        typer.echo(line)
    typer.secho(f"{len(report.faults):,} faults", fg=typer.colors.RED, err=True)
    raise typer.Exit(1)
