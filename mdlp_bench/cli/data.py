"""Open, inspect, convert, publish and compare data sets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from mdlp_bench.cli.console import counted, echo_json, make_console, make_table, opened, tell_readers
from mdlp_bench.cli.options import (
    DataArgument,
    EngineOption,
    JsonOption,
    LabelsOption,
    LimitOption,
    NameOption,
    OldOut,
    OrderOption,
    OutOption,
    SourceOption,
    SplitOption,
    SupersedesOption,
    VersionOption,
    WorkersOption,
    moved,
    required,
)

if TYPE_CHECKING:
    from mdlp_bench.curate.diff import Diff
    from mdlp_bench.data.inspect import Inspection

app = typer.Typer(help="Open, inspect, convert, publish and compare data sets.", no_args_is_help=True)

_SHOWN = 5
_DIFF_SHOWN = 10


@app.command("layouts", epilog="Example:\n\n  mdlp-bench data layouts")
def show_layouts(as_json: JsonOption = False) -> None:
    """List the layouts that can be opened and written."""
    from mdlp_bench.data.export import EXPORTS
    from mdlp_bench.data.sources.registry import SOURCES

    reads = {source.name: {"title": source.title, "layout": source.layout} for source in SOURCES.values()}
    writes = {export.name: export.layout for export in EXPORTS.values()}
    writes |= {
        "parquet": "as parquet above",
        "huggingface": "parquet with README.md and croissant.json",
        "decoded": "parquet with every image at the working size, uncompressed; to train on",
    }
    if as_json:
        echo_json({"read": reads, "write": writes})
        return
    table = make_table("Layouts that can be opened", "name", "what", "files")
    for name, source in reads.items():
        table.add_row(name, source["title"], source["layout"])
    make_console().print(table)
    table = make_table("Layouts that can be written (data export --to NAME)", "name", "files")
    for name, layout in writes.items():
        table.add_row(name, layout)
    make_console().print(table)


@app.command(
    "open",
    epilog="Examples:\n\n  mdlp-bench data open MDLP\n\n  mdlp-bench data open CCPD2019 --source ccpd --json",
)
def open_data(
    path: DataArgument,
    split: SplitOption = None,
    source: SourceOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the layout of a path and what it lists, without reading images."""
    from mdlp_bench.data import open_samples
    from mdlp_bench.data.opening import layout_of
    from mdlp_bench.data.sources.registry import SOURCES

    layout = source or layout_of(path)
    samples = open_samples(path, split=split, source=layout, order=order, labels=labels, limit=limit)
    splits = {name: len(ids) for name, ids in samples.candidates().items()}
    notes = samples.listing_problems()
    first = [sample_id for ids in samples.candidates().values() for sample_id in ids[:_SHOWN]][:_SHOWN]
    if as_json:
        found = {
            "name": samples.name,
            "layout": layout,
            "kind": type(samples).__name__,
            "splits": splits,
            "first": first,
            "problems": [problem.message for problem in notes],
        }
        echo_json(found)
        return
    typer.echo(f"{samples.name}: {counted(sum(splits.values()), 'sample')}")
    typer.echo(f"layout: {layout} ({SOURCES[layout].title}){'' if source else ', recognised'}")
    for name, count in splits.items():
        typer.echo(f"  {name}: {count:,}")
    typer.echo(f"first: {', '.join(first) or 'none'}")
    for problem in notes[:_SHOWN]:
        typer.echo(f"{problem.code}: {problem.message}")
    if len(notes) > _SHOWN:
        typer.echo(f"... and {len(notes) - _SHOWN:,} more; `data inspect` counts them")


@app.command(
    "inspect",
    epilog="Examples:\n\n  mdlp-bench data inspect MDLP --split val\n\n  mdlp-bench data inspect OUT --json",
)
def inspect_data(
    path: DataArgument,
    split: SplitOption = None,
    source: SourceOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read everything once: counts, sizes, layouts, problems. Exit code 1 when something needs fixing."""
    from mdlp_bench.data import open_samples
    from mdlp_bench.data.inspect import inspect
    from mdlp_bench.readers.reach import texts_read

    samples = open_samples(path, split=split, source=source, order=order, labels=labels, limit=limit)
    found = inspect(samples)
    reached = texts_read(samples.column("text"))
    if as_json:
        content = found.model_dump(mode="json") | {"texts_read": reached}
        echo_json(content)
    else:
        _print_inspection(found)
        tell_readers(reached, sum(split.with_text for split in found.splits.values()))
    if not found.sound:
        raise typer.Exit(1)


@app.command(
    "export",
    epilog="Examples:\n\n  mdlp-bench data export MDLP -o OUT\n\n"
    "  mdlp-bench data export DATA -o REPO --to huggingface --licence cc-by-4.0 --push owner/name\n\n"
    "  mdlp-bench data export DATA -o FOLDER --to mdlp",
)
def export_data(
    path: DataArgument,
    old_out: OldOut = None,
    out: OutOption = None,
    to: Annotated[
        str, typer.Option("--to", help="parquet, huggingface, decoded, mdlp, lrlpr or webdataset.")
    ] = "parquet",
    split: SplitOption = None,
    source: SourceOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: LimitOption = None,
    name: NameOption = None,
    version: VersionOption = "1.0.0",
    supersedes: SupersedesOption = None,
    title: Annotated[str | None, typer.Option("--title", help="Heading of the card.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="Text of the card.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Licence of the images.")] = None,
    citation: Annotated[str | None, typer.Option("--citation", help="Paper or BibTeX.")] = None,
    homepage: Annotated[str | None, typer.Option("--homepage", help="Where the images come from.")] = None,
    published: Annotated[str | None, typer.Option("--published", help="Date, YYYY-MM-DD.")] = None,
    push: Annotated[
        str | None, typer.Option("--push", help="Upload to this hub repository (owner/name), private.")
    ] = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a data set in another layout; the same command continues after an interruption.

    Exit code 1 when samples were left out; the manifest and `data inspect` say which.
    """
    from mdlp_bench.data import DecodedSamples, write_parquet
    from mdlp_bench.data.export import EXPORTS
    from mdlp_bench.engine import engine_named
    from mdlp_bench.errors import DataError, one_of

    out = required(moved(out, old_out, "-o OUT", "OUT after the data set"), "-o OUT")
    layouts = ("parquet", "huggingface", "decoded", *EXPORTS)
    one_of("layout", to, layouts, DataError)
    if published is not None and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", published):
        raise DataError(f"--published {published}: must be a date like 2025-06-30")
    if push is not None and to != "huggingface":
        raise DataError("--push needs --to huggingface")
    if to in EXPORTS and (engine != "local" or workers is not None):
        raise DataError(f"--to {to}: written by one process; leave --engine and --workers out")
    used = engine_named(engine, workers)
    samples = opened(path, split=split, source=source, order=order, labels=labels, limit=limit)
    address: str | None = None
    if to in EXPORTS:
        count = EXPORTS[to].write(samples, out)
        defects = sum(problem.rejected and problem.is_defect for problem in samples.problems)
    else:
        if to != "huggingface":
            manifest = write_parquet(
                DecodedSamples(samples) if to == "decoded" else samples, out, name=name,
                version=version, supersedes=supersedes, engine=used,
            )  # fmt: skip
        else:
            from mdlp_bench.data.export.card import CardFields
            from mdlp_bench.data.export.huggingface import export_huggingface, push_to_hub

            card = CardFields(
                title=title, description=description, licence=licence, citation=citation,
                homepage=homepage, published=published,
            )  # fmt: skip
            manifest = export_huggingface(
                samples, out, card, name=name, version=version, supersedes=supersedes,
                engine=used,
            )  # fmt: skip
            address = push_to_hub(out, push) if push else None
        count = manifest.samples
        defects = sum(record.rejected and record.is_defect for record in manifest.problems)
    if as_json:
        result = {"out": str(out), "layout": to, "samples": count, "left_out": defects, "pushed": address}
        echo_json(result)
    else:
        typer.echo(
            f"{out}: {counted(count, 'sample')} as {to}" + (f", pushed to {address}" if address else "")
        )
        if defects:
            typer.echo(
                f"{counted(defects, 'sample')} were left out; `mdlp-bench data inspect {path}` says why",
                err=True,
            )
    if defects:
        raise typer.Exit(1)


@app.command(
    "diff",
    epilog="Example:\n\n  mdlp-bench data diff V1 V2 --json",
)
def diff_data(
    old: Annotated[str, typer.Argument(help="The older data set.", show_default=False)],
    new: Annotated[str, typer.Argument(help="The newer data set.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """List added, removed, moved and changed samples. Exit code 1 when the data sets differ."""
    from mdlp_bench.curate.diff import diff
    from mdlp_bench.data import open_samples

    found = diff(open_samples(old), open_samples(new))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print_diff(found)
    if not found.is_empty:
        raise typer.Exit(1)


def _print_inspection(found: Inspection) -> None:
    from mdlp_bench.data.export.card import size, span

    console = make_console()
    version = f" {found.version}" if found.version else ""
    table = make_table(
        f"{found.name}{version}: {counted(found.samples, 'sample')}, {counted(found.plates, 'plate')}",
        "split", "samples", "plates", "gt", "text", "frames", "frame size", "gt size",
        caption="sizes: smallest / median / largest",
    )  # fmt: skip
    for split, summary in found.splits.items():
        table.add_row(
            split, f"{summary.samples:,}", f"{summary.plates:,}", f"{summary.with_gt:,}",
            f"{summary.with_text:,}", span(summary.frames), size(summary.frame_width, summary.frame_height),
            size(summary.gt_width, summary.gt_height),
        )  # fmt: skip
    console.print(table)
    console.print(f"fingerprint: {found.fingerprint}", soft_wrap=True)
    for split, summary in found.splits.items():
        layouts = ", ".join(f"{name} {count:,}" for name, count in summary.layouts.items())
        console.print(f"samples by layout, {split}: {layouts}", soft_wrap=True)
    if found.shared_plates:
        console.print(f"{counted(found.shared_plates, 'plate')} in more than one split", style="yellow")
    if not found.problems:
        console.print("no problems")
        return
    problems = make_table("Problems", "problem", "count", "for example")
    for code, count in found.problems.items():
        problems.add_row(code, f"{count:,}", found.examples[code][0].message)
    console.print(problems)


def _print_diff(found: Diff) -> None:
    table = make_table(f"{found.old} -> {found.new}", "what", "count", "which")
    groups = {
        "added": list(found.added),
        "removed": list(found.removed),
        "moved": [
            f"{m.sample_id} ({m.old_split} -> {m.new_split})"
            if m.sample_id == m.new_id
            else f"{m.sample_id} -> {m.new_id}"
            for m in found.moved
        ],
        "changed": [f"{c.sample_id} ({', '.join(c.what)})" for c in found.changed],
    }
    for name, items in groups.items():
        more = f" ... and {len(items) - _DIFF_SHOWN:,} more" if len(items) > _DIFF_SHOWN else ""
        table.add_row(name, f"{len(items):,}", ", ".join(items[:_DIFF_SHOWN]) + more)
    table.add_row("same", f"{found.same:,}", "")
    make_console().print(table)
