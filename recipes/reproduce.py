"""Make again what the package comes with: the bundled weights and the page of results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdlp_bench.cli.options import WorkersOption
from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.progress import shown

if TYPE_CHECKING:
    from mdlp_bench.data.samples import Samples
    from mdlp_bench.engine import Engine

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
        list[str] | None, typer.Option("--only", help="The pool or a method; repeat for more.")
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Show the steps and which are done; do nothing.")
    ] = False,
    workers: WorkersOption = None,
) -> None:
    """Train every method as its bundled weights were, each on one thread.

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


_RESULTS_EXAMPLES = """Examples:\n
  python recipes/reproduce.py results --out out/results\n
  python recipes/reproduce.py results --out out/results --mdlp MDLP --lpblur LPBLUR"""

RESULTS_SEED = 4001
"""Of the plates of the results: used for no choice, of weights, recipes or options."""
FURTHER_SEED = 4000
"""Added to the pool's seeds for plates of the test split in the pool's degradations."""
READERS = ("crnn-3", "ppocrv4", "clpr")
"""The judge, and two that others trained, on real plates."""


@app.command(epilog=_RESULTS_EXAMPLES)
def results(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for data, predictions and runs.")],
    plates: Annotated[int, typer.Option("--plates", min=8, help="Plates to render and test on.")] = 500,
    mdlp: Annotated[Path | None, typer.Option("--mdlp", help="Real triplets with texts.")] = None,
    lpblur: Annotated[
        Path | None,
        typer.Option("--lpblur", help="LPBlur's test pairs with texts; the first 60 are left out."),
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--beside",
            help="What another method restored of LPBlur: a folder of <name>.png, named by its title.",
        ),
    ] = None,
    page: Annotated[Path, typer.Option("--page", help="The page whose marked parts are replaced.")] = Path(
        "docs/results.md"
    ),
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            help="rendered, degradations, mdlp or lpblur; repeat for more.",
            show_default="all whose data are given",
        ),
    ] = None,
    workers: WorkersOption = None,
) -> None:
    """Run every method on fresh rendered plates and on real ones; write the page's tables.

    A part whose data are not given stays as it is. A stopped run continues.
    """
    import results_page as pages
    from bundled_weights import read_bundle, write_mixture

    import mdlp_bench as mb
    from mdlp_bench.engine import LocalEngine
    from mdlp_bench.harness.compare import RunComparison
    from mdlp_bench.harness.demo import installed_methods, lpips_net
    from mdlp_bench.harness.published import published_rows

    given = {"mdlp": mdlp, "lpblur": lpblur}
    wanted = only or [part for part in pages.PARTS if given.get(part, page) is not None]
    if unknown := set(wanted) - set(pages.PARTS):
        raise DataError(f"no part {min(unknown)!r} of the results; there are {', '.join(pages.PARTS)}")
    engine, methods = LocalEngine(workers or 1), installed_methods()
    minutes = {name: spent for name in methods if (spent := pages.training_minutes(name)) is not None}

    def bench(names: Sequence[str], data: Samples, part: str) -> RunComparison:
        typer.echo(f"{part}: {len(names)} methods, {len(data):,} samples")
        return mb.bench(
            names, data, out / part, readers=READERS, lpips=lpips_net(), fid=False, seeds=5, engine=engine
        )

    if "rendered" in wanted:
        found = bench(methods, fresh_plates(out / "data", plates, engine), "rendered")
        images, published = page.parent / "images", published_rows("mdlp")
        text = pages.rendered_part(found, out / "rendered", images, minutes, published)
        pages.put(page, "rendered", text)
    if "degradations" in wanted:
        recipes, mixed = Path("recipes/bundled.yaml"), out / "data-mixed"
        pool = read_bundle(recipes).pool
        if not mixed.is_dir():
            write_mixture(
                pool, [plates // 8] * len(pool.parts), recipes.parent, mixed, "test",
                name="results-mixed", workers=workers or 1, tell=typer.echo, further_seed=FURTHER_SEED,
            )  # fmt: skip
        pages.put(page, "degradations", pages.degradations_part(bench(methods, mb.open(mixed), "mixed")))
    for part, folder, others in (("mdlp", mdlp, []), ("lpblur", lpblur, beside or [])):
        if part in wanted:
            if folder is None:
                raise DataError(f"the part {part} needs --{part} FOLDER")
            samples = mb.open(folder)
            if part == "lpblur":
                samples = pages.restored_by_all(pages.without_fitted(samples), others)
            found = bench([*methods, *map(str, others)], samples, part)
            pages.put(page, part, pages.compact_part(found, minutes))
    typer.echo(f"wrote {page}")


def fresh_plates(folder: Path, plates: int, engine: Engine) -> Samples:
    """The rendered plates of the results, made now or by an earlier call.

    Raises:
        DataError: The folder holds another number of them.
    """
    import mdlp_bench as mb
    from mdlp_bench.data.manifest import is_written

    if not is_written(folder):
        return mb.synthesise(folder, plates=plates, split="test", seed=RESULTS_SEED, engine=engine)
    samples = mb.open(folder)
    if len(samples) != plates:
        raise DataError(f"{folder}: holds {len(samples)} plates, not {plates}; choose another --out")
    return samples


_ABLATION_EXAMPLES = """Example:\n
  python recipes/reproduce.py ablation --out out/mixture"""


@app.command(epilog=_ABLATION_EXAMPLES)
def ablation(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pool, trainings and runs.")],
    recipes: Annotated[Path, typer.Option("--recipes", help="Arms and seeds.")] = Path(
        "recipes/ablation.yaml"
    ),
    plates: Annotated[int, typer.Option("--plates", min=8, help="Plates to render and test on.")] = 500,
    page: Annotated[Path, typer.Option("--page", help="The page whose marked part is replaced.")] = Path(
        "docs/results.md"
    ),
    workers: WorkersOption = None,
) -> None:
    """Train every arm of the ablation with every seed, and compare the arms with the whole network.

    What trainings of one arm differ by is part of every interval. A stopped run continues.
    """
    import ablation_page as arms
    import results_page as pages
    import torch
    from bundled_weights import plan, read_bundle, reproduce

    from mdlp_bench.engine import LocalEngine

    torch.set_num_threads(1)
    reproduce(plan(recipes, out, workers=workers or 1), typer.echo)
    engine = LocalEngine(workers or 1)
    data = fresh_plates(out / "results" / "data", plates, engine)
    bundle = read_bundle(recipes)
    found = arms.score_arms(tuple(bundle.methods), bundle.seeds, out, data, READERS, engine)
    minutes = {arm: arms.training_minutes(arm, bundle.seeds, out) for arm in found}
    pages.put(page, "ablation", arms.ablation_part(found, minutes))
    typer.echo(f"wrote {page}")


if __name__ == "__main__":
    try:
        with shown():
            app()
    except MdlpBenchError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(2)
