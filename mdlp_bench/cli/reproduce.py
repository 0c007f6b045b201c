"""Make again what the package comes with: the bundled weights and the page of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mdlp_bench.cli.options import WorkersOption


def register(app: typer.Typer) -> None:
    """Add `reproduce` to the command line."""
    group = typer.Typer(
        help="Make again what the package comes with, from the root of the repository.", no_args_is_help=True
    )
    group.command("bundled", epilog=_BUNDLED_EXAMPLES)(bundled)
    app.add_typer(group, name="reproduce")


_BUNDLED_EXAMPLES = """Examples:\n
  mdlp-bench reproduce bundled --out out --list\n
  mdlp-bench reproduce bundled --out out --only srcnn --only hat"""


def bundled(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pool, the runs and the weights.")],
    recipes: Annotated[
        Path, typer.Option("--recipes", help="What to train, beside the configurations.")
    ] = Path("recipes/bundled.yaml"),
    only: Annotated[
        list[str] | None, typer.Option("--only", help="The reader or a method; repeat for more.")
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Show the steps and which are done; do nothing.")
    ] = False,
    workers: WorkersOption = None,
) -> None:
    """Train the reader and every method as their bundled weights were, each on one thread.

    A stopped run continues where it was. The finished weights are OUT/weights/NAME.safetensors.
    """
    import torch

    from mdlp_bench.training.reproduce import plan, reproduce

    steps = plan(recipes, out, only=only or (), workers=workers or 1)
    if listing:
        for step in steps:
            typer.echo(f"[{'x' if step.is_done() else ' '}] {step.title}")
        return
    torch.set_num_threads(1)
    reproduce(steps, typer.echo)
    typer.echo(f"finished weights are in {out / 'weights'}")
