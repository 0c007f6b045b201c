"""The synthetic half of the data commands: render plates, degrade ground truths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdlp_bench.cli.console import counted
from mdlp_bench.cli.options import EngineOption, LabelsOption, SeedOption, WorkersOption

if TYPE_CHECKING:
    from mdlp_bench.plate import Layout
    from mdlp_bench.synth.render import Provinces

RENDER = "render"
_PREVIEWED = 6

OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder to write; new or unfinished.")]
ProvincesOption = Annotated[str, typer.Option("--provinces", help="uniform, or ccpd (nearly all 皖).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the data group."""
    app.command("render", epilog=_RENDER_EXAMPLES)(render)
    app.command("synth", epilog=_SYNTH_EXAMPLES)(synth)


_RENDER_EXAMPLES = """Examples:\n
  mdlp-bench data render -n 100 -o plates\n
  mdlp-bench data render -n 24 --layout green_small --difficulty 1 -o plates"""


def render(
    out: OutOption,
    n: Annotated[int, typer.Option("-n", min=1, help="How many plates.")] = 100,
    layout: Annotated[
        list[str] | None,
        typer.Option(
            "--layout", help="Only this layout; repeat for more.", show_default="a mixture as in MDLP"
        ),
    ] = None,
    provinces: ProvincesOption = "uniform",
    difficulty: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="0: clean and frontal, 1: the full range of traffic.")
    ] = 0.7,
    seed: SeedOption = 0,
) -> None:
    """Render plates as pictures: <out>/<number>_<text>.png, labels.csv and contact_sheet.jpg."""
    from mdlp_bench.files import write_text
    from mdlp_bench.images import ImageU8
    from mdlp_bench.output_folder import locked_folder
    from mdlp_bench.progress import progress_bar
    from mdlp_bench.synth.render import DEFAULT_LAYOUTS, Appearance, render_samples
    from mdlp_bench.synth.render.preview import contact_sheet, write_picture

    stream = render_samples(
        seed,
        n,
        layouts=dict.fromkeys(map(checked_layout, layout), 1.0) if layout else DEFAULT_LAYOUTS,
        provinces=checked_provinces(provinces),
        appearance=Appearance(difficulty=difficulty),
    )
    labels = ["file,text,layout"]
    shown: list[ImageU8] = []
    with locked_folder(out), progress_bar(n, "Rendering", "plate") as bar:
        for sample in bar.over(stream):
            name = f"{sample.index:06d}_{sample.text}.png"
            write_picture(out / name, sample.image)
            labels.append(f"{name},{sample.text},{sample.layout}")
            if len(shown) < _PREVIEWED * 8:
                shown.append(sample.image)
    write_text(out / "labels.csv", "\n".join(labels) + "\n")
    write_picture(out / "contact_sheet.jpg", contact_sheet(shown, min(_PREVIEWED, len(shown))))
    typer.echo(f"{counted(n, 'plate')}, labels.csv and contact_sheet.jpg are in {out}")


_SYNTH_EXAMPLES = """Examples:\n
  mdlp-bench data synth --recipe surveillance -n 1000 -o DATA\n
  mdlp-bench data synth --source CCPD2019 --recipe realesrgan -n 5000 --workers 8 -o DATA\n
  mdlp-bench data synth --recipe my_recipe.yaml -n 6 --preview -o DATA"""


def synth(
    out: OutOption,
    source: Annotated[
        str,
        typer.Option("--source", help="render, or a data set whose ground truths are degraded (CCPD, ...)."),
    ] = RENDER,
    recipe: Annotated[
        str, typer.Option("--recipe", help="A named recipe (see docs/degradation.md) or a YAML file.")
    ] = "surveillance",
    n: Annotated[
        int | None,
        typer.Option(
            "-n", "--limit", min=1, help="How many plates.", show_default="1000, or all of the source"
        ),
    ] = None,
    labels: LabelsOption = None,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Degraded frames per sample.")] = 3,
    provinces: ProvincesOption = "uniform",
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    seed: SeedOption = 0,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Also draw preview.png: frames and ground truth of the first plates."),
    ] = False,
) -> None:
    """Make a synthetic data set: ground truths, degraded by a recipe, in plate-disjoint splits."""
    from mdlp_bench.data import open_samples
    from mdlp_bench.engine import engine_named
    from mdlp_bench.errors import DataError
    from mdlp_bench.synth.build import synthesise_rendered, synthesise_samples
    from mdlp_bench.synth.degrade import load_recipe

    if source == RENDER and labels is not None:
        raise DataError("--labels needs --source: rendered plates have their texts")
    loaded, used = load_recipe(recipe), engine_named(engine, workers)
    if source == RENDER:
        count = n or 1000
        manifest = synthesise_rendered(
            loaded,
            count,
            out,
            seed=seed,
            n_frames=frames,
            provinces=checked_provinces(provinces),
            engine=used,
        )
    else:
        plates = open_samples(source, labels=labels)
        manifest = synthesise_samples(plates, loaded, out, n=n, seed=seed, n_frames=frames, engine=used)
    if preview:
        _preview(out)
    counts = ", ".join(f"{name} {size}" for name, size in open_samples(out).splits.items())
    typer.echo(f"{manifest.name}: {counts} samples in {out}")


def checked_layout(name: str) -> Layout:
    """The name as a layout.

    Raises:
        DataError: There is no such layout.
    """
    from mdlp_bench.errors import DataError, one_of
    from mdlp_bench.plate import LAYOUTS

    return one_of("layout", name, LAYOUTS, DataError)


def checked_provinces(name: str) -> Provinces:
    """The name as a distribution of provinces.

    Raises:
        DataError: There is no such distribution.
    """
    from typing import get_args

    from mdlp_bench.errors import DataError, one_of
    from mdlp_bench.synth.render import Provinces

    known: tuple[Provinces, ...] = get_args(Provinces)
    return one_of("distribution of provinces", name, known, DataError)


def _preview(out: Path) -> None:
    from mdlp_bench.data import open_samples
    from mdlp_bench.harness.figure import sample_figure

    samples = open_samples(out)
    sample_figure(samples.select(sample_ids=samples.sample_ids[:_PREVIEWED]), out / "preview.png")
