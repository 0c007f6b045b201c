"""The verbs of the domain-gap study; `mdlp-bench gap --real ...` is short for `mdlp-bench gap study ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from mdlp_bench.cli.options import EngineOption, JsonOption, SeedOption, WorkersOption

if TYPE_CHECKING:
    from mdlp_bench.readers.base import Reader

_DEFAULT = "study"


class _StudyByDefault(TyperGroup):
    """A group whose options, given without a verb, are those of `study`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_StudyByDefault,
    help="How far synthetic frames are from real ones.",
    no_args_is_help=True,
)

GapReaderOption = Annotated[
    str, typer.Option("--reader", help="Reader of the frames, for NED and features (see predict); or none.")
]

_STUDY_EXAMPLES = """Examples:\n
  mdlp-bench gap study --real MDLP --synthetic MDLP@surveillance,MDLP@bsrgan -o gap\n
  mdlp-bench gap study --real MDLP --synthetic CCPD@gaussian,render@surveillance,SYNTHETIC -o gap\n
  mdlp-bench gap --real MDLP --synthetic SYNTHETIC -o gap"""


@app.command(epilog=_STUDY_EXAMPLES)
def study(
    real: Annotated[str, typer.Option("--real", help="The real set: a folder of any known layout.")],
    synthetic: Annotated[
        str,
        typer.Option(
            "--synthetic",
            help="Comma-separated synthetic sets: FOLDER, FOLDER@RECIPE (degrades its ground truths; CCPD "
            "too) or render@RECIPE. RECIPE is a name or a YAML file.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report, figures and made sets.")],
    samples: Annotated[
        int, typer.Option("--samples", min=10, max=5000, help="Samples of each set, at most; whole plates.")
    ] = 1000,
    reader: GapReaderOption = "crnn",
    seed: SeedOption = 0,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare synthetic sets with a real one: what differs, and how much."""
    from mdlp_bench.engine import engine_named
    from mdlp_bench.gap.model import GapReport, StudySettings
    from mdlp_bench.gap.run import REPORT, open_sets, run_study, write_gap_report
    from mdlp_bench.gap.sets import SetSpec

    loaded = _reader(reader)
    used = engine_named(engine, workers)
    texts = [real, *(part.strip() for part in synthetic.split(",") if part.strip())]
    specs = [SetSpec.parse(text) for text in texts]
    settings = StudySettings(
        limit=samples, seed=seed, reader=loaded.descriptor.name if loaded is not None else None
    )
    sets = open_sets(specs, out, limit=samples, seed=seed, engine=used)
    found, _ = run_study(
        sets, texts, out, settings, loaded, engine=used, say=lambda line: typer.echo(line, err=True)
    )
    report = GapReport(study=found)
    write_gap_report(report, sets, out)
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        typer.echo(f"The report is in {out / REPORT}")


def _reader(name: str) -> Reader | None:
    from mdlp_bench.readers import load_reader

    return None if name == "none" else load_reader(name)
