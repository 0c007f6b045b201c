"""Make again what the package comes with: the bundled weights and the page of results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mdlp_bench.cli.options import WorkersOption, show_progress
from mdlp_bench.errors import MdlpBenchError

app = typer.Typer(
    help="Make again what the package comes with, from the root of the repository.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_BUNDLED_EXAMPLES = """Examples:\n
  python recipes/reproduce.py bundled --out out --list\n
  python recipes/reproduce.py bundled --out out --only srcnn --only hat"""


@app.command(epilog=_BUNDLED_EXAMPLES)
def bundled(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pool, the runs and the weights.")],
    recipes: Annotated[
        Path, typer.Option("--recipes", help="What to train, beside the configurations.")
    ] = Path("recipes/bundled.yaml"),
    only: Annotated[
        list[str] | None, typer.Option("--only", help="The pool, the reader or a method; repeat for more.")
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
    from bundled_weights import plan, reproduce

    steps = plan(recipes, out, only=only or (), workers=workers or 1)
    if listing:
        for step in steps:
            typer.echo(f"[{'x' if step.is_done() else ' '}] {step.title}")
        return
    torch.set_num_threads(1)
    reproduce(steps, typer.echo)
    typer.echo(f"finished weights are in {out / 'weights'}")


_RESULTS_EXAMPLES = """Example:\n
  python recipes/reproduce.py results --out out/results"""


@app.command(epilog=_RESULTS_EXAMPLES)
def results(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for data, predictions and runs.")],
    plates: Annotated[int, typer.Option("--plates", min=2, help="Plates to render and test on.")] = 1000,
    page: Annotated[Path, typer.Option("--page", help="The page whose marked part is replaced.")] = Path(
        "docs/results.md"
    ),
) -> None:
    """Run every method and ablation on the demo's plates, more of them; write the page's tables and figures.

    The plates are those of `mdlp-bench demo`: its first 200 are the same. A stopped run continues.
    """
    from results_page import write_results

    from mdlp_bench.harness.demo import demo, demo_ablations
    from mdlp_bench.harness.published import published_rows

    comparison = demo(out, plates=plates, progress=show_progress())
    ablations = demo_ablations(out, plates=plates, progress=show_progress())
    write_results(comparison, out, page, published=published_rows("mdlp"), ablations=ablations)
    comparison.print()
    typer.echo(f"wrote {page}")


if __name__ == "__main__":
    try:
        app()
    except MdlpBenchError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(2)
