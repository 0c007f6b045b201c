"""The main job: predict, score, bench, compare, demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from mdlp_bench.cli.console import comma_separated, counted, echo_json, opened, tell_left_out
from mdlp_bench.cli.options import (
    DEFAULT_LPIPS,
    AlignedOption,
    BatchOption,
    DataArgument,
    DeviceOption,
    EngineOption,
    FidOption,
    JsonOption,
    LabelsOption,
    LimitOption,
    LpipsOption,
    MetricOption,
    NumericsOption,
    OrderOption,
    PrecisionOption,
    ProtocolOption,
    ReaderOption,
    ScoringPrecisionOption,
    SeedOption,
    SplitOption,
    WorkersOption,
)

if TYPE_CHECKING:
    from mdlp_bench.harness.compare import RunComparison


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(epilog=_PREDICT_EXAMPLES)(predict)
    app.command(epilog=_SCORE_EXAMPLES)(score)
    app.command(epilog=_BENCH_EXAMPLES)(bench)
    app.command(epilog=_COMPARE_EXAMPLES)(compare)
    app.command(epilog=_PLOT_EXAMPLES)(plot)
    app.command(epilog=_DEMO_EXAMPLES)(demo)


_PREDICT_EXAMPLES = """Examples:\n
  mdlp-bench predict bicubic DATA --split test -o preds/bicubic\n
  mdlp-bench predict my_method.py:restore DATA -o preds/mine\n
  mdlp-bench predict lp-diff DATA --device cuda --precision bf16 -o preds/lp-diff"""


def predict(
    method: Annotated[
        str,
        typer.Argument(help="A registered name or file.py:NAME, either with =WEIGHTS, or a folder of PNGs."),
    ],
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The prediction folder; a stopped job resumes.")],
    split: SplitOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: LimitOption = None,
    batch_size: BatchOption = 16,
    seed: SeedOption = 0,
    measure: Annotated[
        bool, typer.Option("--measure", help="Also measure time, operations and memory of one image.")
    ] = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    numerics: NumericsOption = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore every sample of a data set with one method."""
    from mdlp_bench import api
    from mdlp_bench.device import check_asked
    from mdlp_bench.engine import engine_named
    from mdlp_bench.methods.registry import check_method

    # Wrong names are told before PyTorch is imported, which takes seconds, and before any data are read.
    check_method(method)
    check_asked(device, remote=engine == "ray")
    samples = opened(data, split=split, order=order, labels=labels, limit=limit)
    predictions = api.predict(
        method,
        samples,
        out,
        batch_size=batch_size,
        seed=seed,
        measure=measure,
        device=device,
        precision=precision,
        numerics=numerics,
        engine=engine_named(engine, workers, device),
    )
    record = predictions.record
    tell_left_out(samples)
    if as_json:
        typer.echo(record.model_dump_json())
    else:
        failed = f", {record.n_failed} failed (scored at the floor)" if record.n_failed else ""
        typer.echo(
            f"{counted(record.dataset.n_samples, 'sample')} restored by {record.method.title}{failed}: {out}"
        )


_SCORE_EXAMPLES = """Examples:\n
  mdlp-bench score preds/bicubic DATA --split test -o runs/bicubic\n
  mdlp-bench score preds/mine DATA --reader crnn --reader ppocrv4 --lpips squeeze -o runs/mine\n
  mdlp-bench score preds/mine DATA --metric edges.py:edge_error -o runs/mine"""


def score(
    predictions: Annotated[Path, typer.Argument(help="A prediction folder.")],
    data: DataArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder.")],
    split: SplitOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: LimitOption = None,
    reader: ReaderOption = None,
    lpips: LpipsOption = DEFAULT_LPIPS,
    fid: FidOption = True,
    protocol: ProtocolOption = None,
    metric: MetricOption = None,
    aligned: AlignedOption = True,
    device: DeviceOption = "auto",
    precision: ScoringPrecisionOption = "fp32",
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score stored predictions; the method is not run again."""
    from mdlp_bench import api
    from mdlp_bench.device import Compute, check_asked
    from mdlp_bench.engine import engine_named
    from mdlp_bench.harness.plan import ScoringPlan
    from mdlp_bench.harness.predict import Predictions

    ScoringPlan.check_names(reader, lpips)
    check_asked(device, remote=engine == "ray")
    samples = opened(data, split=split, order=order, labels=labels, limit=limit)
    scoring = Compute.for_scoring(device, precision, remote=engine == "ray")
    run = api.score(
        Predictions(predictions),
        samples,
        out,
        readers=reader,
        lpips=lpips,
        fid=fid,
        protocol=protocol,
        metrics=metric or (),
        aligned=aligned,
        device=scoring.device,
        engine=engine_named(engine, workers, device),
    )
    _show(api.compare([run]), as_json)


_BENCH_EXAMPLES = """Examples:\n
  mdlp-bench bench DATA --split val --methods bicubic,best-frame,frame-mean -o out\n
  mdlp-bench bench DATA --methods bicubic,my_method.py:restore,restored_pngs/ --reader ppocrv4 -o out\n
  mdlp-bench bench DATA --methods lp-diff=runs/x/weights.safetensors,net.py:build=w.pth -o out"""


def bench(
    data: DataArgument,
    methods: Annotated[
        str,
        typer.Option(
            "--methods", "-m", help="Comma-separated: registered names, file.py:function or folders of PNGs."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for predictions, runs, tables and figure.")
    ],
    split: SplitOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: LimitOption = None,
    reader: ReaderOption = None,
    lpips: LpipsOption = DEFAULT_LPIPS,
    fid: FidOption = True,
    protocol: ProtocolOption = None,
    batch_size: BatchOption = 16,
    seed: SeedOption = 0,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", min=1, help="Number of seeds for methods that depend on their seed; use 5 or more."
        ),
    ] = 1,
    metric: MetricOption = None,
    aligned: AlignedOption = True,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    numerics: NumericsOption = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict with several methods, score them and write the benchmark table.

    The oracle rows ground-truth (ceiling) and input (floor) are always added.
    """
    from mdlp_bench import api
    from mdlp_bench.device import check_asked
    from mdlp_bench.engine import engine_named
    from mdlp_bench.harness.plan import ScoringPlan
    from mdlp_bench.methods.registry import check_method

    names = comma_separated(methods)
    for name in names:
        check_method(name)
    ScoringPlan.check_names(reader, lpips)
    check_asked(device, remote=engine == "ray")
    samples = opened(data, split=split, order=order, labels=labels, limit=limit)
    comparison = api.bench(
        names,
        samples,
        out,
        readers=reader,
        lpips=lpips,
        fid=fid,
        protocol=protocol,
        metrics=metric or (),
        aligned=aligned,
        batch_size=batch_size,
        seed=seed,
        seeds=seeds,
        device=device,
        precision=precision,
        numerics=numerics,
        engine=engine_named(engine, workers, device),
    )
    tell_left_out(samples)
    _show(comparison, as_json)
    if not as_json:
        typer.echo(f"Runs, tables (Markdown, LaTeX, HTML, CSV) and comparison.png are in {out}")


_COMPARE_EXAMPLES = """Examples:\n
  mdlp-bench compare runs/*\n
  mdlp-bench compare runs/* --columns psnr,lpips,ned --digits 2 -o table.tex --supplement supplement.tex\n
  mdlp-bench compare runs/* --intervals plus-minus --no-bounds --published mdlp -o table.html

  mdlp-bench compare runs/* --by layout --columns ned,acc -o layouts.md"""


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Runs of one data set and protocol, or what `bench` wrote.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write the table: .md, .tex, .html or .csv.")
    ] = None,
    supplement: Annotated[
        Path | None,
        typer.Option("--supplement", help="Also write the table of all columns: .md, .tex, .html or .csv."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            help="Columns in order, comma-separated: ned,acc,psnr,... or all.",
            show_default="the main ones, NED first",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            help="Column that orders the rows, best first; given: in the order of the runs.",
            show_default="the ranking",
        ),
    ] = None,
    intervals: Annotated[
        str,
        typer.Option(
            "--intervals",
            help="How confidence intervals are shown: small (\\[low, high]), plus-minus or none.",
        ),
    ] = "small",
    digits: Annotated[
        str | None,
        typer.Option(
            "--digits", help="Digits behind the point: 3, or ned=2,psnr=1.", show_default="by metric"
        ),
    ] = None,
    bounds: Annotated[
        bool, typer.Option("--bounds/--no-bounds", help="Show ceiling and floor: ground truth and input.")
    ] = True,
    published: Annotated[
        str | None,
        typer.Option(
            "--published",
            help="Add published rows, apart and not ranked: mdlp, mdlp-ablation or a CSV file "
            "(columns method, note, metrics).",
            show_default="none",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            help="Break the metrics of --columns (NED without) down by layout, height (of the first frame), "
            "province, recipe, or position (of the character: the share read right).",
            show_default="no breakdown",
        ),
    ] = None,
    title: Annotated[
        str, typer.Option("--title", help="First sentence of the caption.", show_default="data set and sizes")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Compare runs: the table with intervals and tie groups, and which ranks cannot be separated."""
    from mdlp_bench import api
    from mdlp_bench.errors import MdlpBenchError, one_of
    from mdlp_bench.harness.run import runs_in
    from mdlp_bench.harness.run_table import parse_decimals
    from mdlp_bench.harness.tables import Intervals

    shown = one_of("way to show intervals", intervals, get_args(Intervals), MdlpBenchError)
    names = None if columns is None else comma_separated(columns)
    if by is not None and (supplement is not None or published is not None):
        raise MdlpBenchError("--by shows parts of measured scores; leave --supplement and --published out")
    comparison = api.compare(
        runs_in(runs),
        columns=names,
        sort=sort,
        intervals=shown,
        decimals=None if digits is None else parse_decimals(digits),
        bounds=bounds,
        published=published,
        title=title,
    )
    if by is not None:
        metrics = [column.key for column in comparison.table.columns] if names else []
        if names and "all" in names:
            held = [run.per_sample().column_names for run in comparison.runs]
            metrics = [metric for metric in metrics if all(metric in names for names in held)]
        _show_breakdown(comparison, by, metrics, out, as_json)
        return
    if out is not None:
        comparison.write_table(out)
    if supplement is not None:
        comparison.write_supplement(supplement)
    _show(comparison, as_json)


_PLOT_EXAMPLES = """Examples:\n
  mdlp-bench plot runs/* --kind ned-cost -o ned_cost.pdf\n
  mdlp-bench plot runs/* --kind layout-bars --metric acc -o layouts.svg"""


def plot(
    runs: Annotated[
        list[Path], typer.Argument(help="Runs of one data set and protocol, or what `bench` wrote.")
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="ned-cost (NED against cost), layout-bars (a panel per plate layout), risk-coverage "
            "(curves) or rank (places with intervals).",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The figure: .pdf, .svg or .png.", show_default="KIND.pdf"),
    ] = None,
    metric: Annotated[
        str, typer.Option("--metric", help="Metric of ned-cost and layout-bars: ned, acc, psnr, ...")
    ] = "ned",
) -> None:
    """Draw a figure of runs for a paper."""
    from mdlp_bench import api
    from mdlp_bench.errors import MdlpBenchError, one_of
    from mdlp_bench.harness.plots import KINDS
    from mdlp_bench.harness.run import runs_in

    one_of("plot", kind, KINDS, MdlpBenchError)
    target = out or Path(f"{kind}.pdf")
    api.plot(runs_in(runs), kind, target, metric=metric)
    typer.echo(f"wrote {target}")


_DEMO_EXAMPLES = """Example:\n
  mdlp-bench demo --out demo"""


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything the demo makes.")] = Path(
        "demo"
    ),
    plates: Annotated[int, typer.Option("--plates", min=2, help="Plates to render and test on.")] = 200,
) -> None:
    """Render plates, degrade them, run every bundled method, score them and show the table; offline."""
    from mdlp_bench.harness.demo import demo as run_demo

    typer.echo(
        f"Renders {plates} plates, restores them with every bundled method, reads and scores the results. "
        "About a minute per 40 plates on two idle cores; a stopped demo resumes.",
        err=True,
    )
    comparison = run_demo(out, plates=plates)
    _show(comparison, as_json=False)
    typer.echo(f"Open {out / 'table.html'} and {out / 'comparison.png'}; data and runs are beside them.")
    typer.echo(
        f"Next, your method: mdlp-bench bench {out / 'data'} -m bicubic,my_method.py:restore -o out "
        "(README.md has a my_method.py)"
    )


def _show_breakdown(
    comparison: RunComparison, by: str, metrics: list[str], out: Path | None, as_json: bool
) -> None:
    from mdlp_bench.harness.breakdown import breakdown
    from mdlp_bench.harness.compare import print_table
    from mdlp_bench.harness.tables import write_table

    table = breakdown(comparison, by, *metrics)
    if out is not None:
        write_table(table, out)
    if as_json:
        typer.echo(table.model_dump_json(indent=2))
    else:
        print_table(table)


def _show(comparison: RunComparison, as_json: bool) -> None:
    if as_json:
        echo_json(comparison.to_json())
    else:
        comparison.print()
