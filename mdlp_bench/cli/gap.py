"""The domain-gap study; `mdlp-bench gap --real ...` is short for `mdlp-bench gap study ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mdlp_bench.cli.console import comma_separated
from mdlp_bench.cli.options import (
    DEFAULT_LPIPS,
    DeviceOption,
    EngineOption,
    JsonOption,
    LpipsOption,
    PrecisionOption,
    SeedOption,
    WorkersOption,
)

_DEFAULT = "study"
_NO_READER = "none"


class _StudyByDefault(TyperGroup):
    """A group whose options, given without a command, are those of `study`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_StudyByDefault,
    help="How far synthetic frames are from real ones.",
    no_args_is_help=True,
)

RealOption = Annotated[str, typer.Option("--real", help="The real set: a folder of any known layout.")]
RealLabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="Label list whose texts are used for the real set; see `data label`.",
        show_default="the set's own",
    ),
]
GapReaderOption = Annotated[
    str,
    typer.Option(
        "--reader",
        help="Reader of the frames, for NED and features: a name as for score, auto for the bundled one that "
        "knows the real set's texts, or none.",
    ),
]

_STUDY_EXAMPLES = """Examples:\n
  mdlp-bench gap study --real MDLP --synthetic MDLP@surveillance,MDLP@bsrgan -o gap\n
  mdlp-bench gap study --real MDLP --synthetic CCPD@gaussian,render@surveillance,SYNTHETIC -o gap\n
  mdlp-bench gap --real MDLP --synthetic SYNTHETIC -o gap\n
  mdlp-bench gap --real MDLP --synthetic SYNTHETIC --methods bicubic,srcnn,lp-diff=psi.yaml -o gap"""


@app.command(epilog=_STUDY_EXAMPLES)
def study(
    real: RealOption,
    synthetic: Annotated[
        str,
        typer.Option(
            "--synthetic",
            help="Comma-separated synthetic sets: FOLDER, FOLDER@RECIPE (degrades its ground truths; CCPD "
            "too) or render@RECIPE. RECIPE is a name or a YAML file.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the report, figures and sets that recipes make.")
    ],
    samples: Annotated[
        int,
        typer.Option(
            "--samples", "--limit", min=10, max=5000, help="Samples per set, at most; whole plates."
        ),
    ] = 1000,
    labels: RealLabelsOption = None,
    reader: GapReaderOption = "crnn-3",
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            help="Comma-separated methods for the transfer matrix: NAME or NAME=CONFIG of what `train` "
            "trains, also file.py:NAME, is trained on every set; others, also NAME=WEIGHTS, are taken as "
            "they are.",
            show_default="no transfer",
        ),
    ] = "",
    train_budget: Annotated[
        int, typer.Option("--train-budget", min=1, help="Optimiser steps of each training.")
    ] = 300,
    lpips: LpipsOption = DEFAULT_LPIPS,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare synthetic sets with a real one: what differs, how much, and with --methods what it costs.

    A stopped transfer resumes. `accelerate launch -m mdlp_bench gap study ...` trains in several processes.
    """
    from mdlp_bench.device import Compute
    from mdlp_bench.engine import engine_named
    from mdlp_bench.gap.gap_study import REPORT, open_sets, run_study, study_reader, write_gap_report
    from mdlp_bench.gap.report_model import GapReport, StudySettings
    from mdlp_bench.gap.sets import SetSpec
    from mdlp_bench.readers import AUTO, check_reader

    compute = Compute.resolve(device, precision, remote=engine == "ray")
    if reader not in (_NO_READER, AUTO):
        check_reader(reader)
    used = engine_named(engine, workers, device)
    texts = [real, *comma_separated(synthetic)]
    specs = [SetSpec.parse(text) for text in texts]

    plan = None
    if methods:
        from accelerate import PartialState  # type: ignore[import-untyped]
        from accelerate.utils import parse_flag_from_env  # type: ignore[import-untyped]

        from mdlp_bench.errors import ReaderError
        from mdlp_bench.gap.transfer import TransferPlan

        if reader == _NO_READER:
            raise ReaderError("--methods needs a --reader, because methods are compared by what can be read")
        # The Accelerator of a training reads the flag by itself, a state does not: without it every one of
        # several processes on CPUs would take itself for the first.
        state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
        with state.main_process_first():
            sets = open_sets(specs, out, limit=samples, seed=seed, labels=labels, engine=used)
            plan = TransferPlan.of(
                comma_separated(methods), sets, out, steps=train_budget, limit=samples, seed=seed
            )
        # All processes train; only the first one continues after that.
        from mdlp_bench.progress import shown

        with shown(state.is_main_process):
            plan.train(device)
        if not state.is_main_process:
            return
    else:
        sets = open_sets(specs, out, limit=samples, seed=seed, labels=labels, engine=used)
    loaded = None if reader == _NO_READER else study_reader(reader, sets)
    settings = StudySettings(
        limit=samples, seed=seed, reader=loaded.descriptor.name if loaded is not None else None
    )
    # Reader and Inception compute in this process, which may lack what a cluster has.
    here = "cpu" if engine == "ray" else compute.device
    found, _ = run_study(sets, texts, out, settings, loaded, device=here, engine=used)
    transfer = None
    if plan is not None:
        from mdlp_bench.gap.transfer import measure_transfer
        from mdlp_bench.harness.plan import ScoringPlan

        scoring = ScoringPlan.from_names([reader], lpips, device=compute.device, remote=engine == "ray")
        transfer = measure_transfer(
            plan, settings, scoring, lpips, out / "figures", compute=compute, engine=used
        )
    report = GapReport(study=found, transfer=transfer)
    write_gap_report(report, sets, out)
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        typer.echo(f"The report is in {out / REPORT}")


_FIT_EXAMPLES = """Examples:\n
  mdlp-bench gap fit --real MDLP --recipe surveillance -o fitted.yaml\n
  mdlp-bench gap study --real MDLP --synthetic MDLP@surveillance,MDLP@fitted.yaml -o gap"""


@app.command(epilog=_FIT_EXAMPLES)
def fit(
    real: RealOption,
    recipe: Annotated[str, typer.Option("--recipe", help="Start of the fit: a recipe or a YAML file.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The fitted recipe (.yaml); report and log go beside it.")
    ],
    trials: Annotated[int, typer.Option("--trials", min=1, help="Candidates tried.")] = 300,
    samples: Annotated[
        int,
        typer.Option("--samples", "--limit", min=10, max=5000, help="Real samples, at most; whole plates."),
    ] = 100,
    labels: RealLabelsOption = None,
    reader: GapReaderOption = "crnn-3",
    seed: SeedOption = 0,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the strengths of a recipe to real frames, and show the gain on plates held out.

    The same command continues a stopped fit, also with more trials.
    """
    from mdlp_bench.data import open_samples
    from mdlp_bench.engine import engine_named
    from mdlp_bench.errors import DataError
    from mdlp_bench.gap.fitting.fit import fit_recipe
    from mdlp_bench.gap.fitting.fit_report import summary
    from mdlp_bench.readers import AUTO, load_reader, reader_for
    from mdlp_bench.synth.degrade import load_recipe

    if out.suffix not in (".yaml", ".yml"):
        raise DataError(f"{out}: a recipe is a .yaml file; name one")
    if reader == AUTO:
        reader = reader_for(open_samples(real, labels=labels).column("text"))
    found = fit_recipe(
        real,
        load_recipe(recipe),
        out,
        trials=trials,
        limit=samples,
        seed=seed,
        labels=labels,
        reader=None if reader == _NO_READER else load_reader(reader),
        engine=engine_named(engine, workers),
    )
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        typer.echo(summary(found) + f"\nThe fitted recipe is in {out}")
