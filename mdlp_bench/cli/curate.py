"""Curate data sets: pair tracks, split by plate, audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from mdlp_bench.cli.console import (
    comma_separated,
    counted,
    echo_json,
    make_console,
    make_table,
    opened,
    tell_readers,
)
from mdlp_bench.cli.options import (
    DataArgument,
    EngineOption,
    FolderOption,
    JsonOption,
    LabelsOption,
    LimitOption,
    NameOption,
    OldOut,
    OrderOption,
    OutOption,
    SeedOption,
    SourceOption,
    SplitOption,
    SupersedesOption,
    ThresholdsOption,
    VersionOption,
    WorkersOption,
    moved,
    required,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mdlp_bench.curate.audit import Audit
    from mdlp_bench.curate.label import LabelReport
    from mdlp_bench.curate.pairing import PairingReport
    from mdlp_bench.curate.splitting import SplitReport

    _Config = TypeVar("_Config", bound=BaseModel)

_SHOWN = 8


def register(app: typer.Typer) -> None:
    """Add the commands to the `data` group."""
    app.command(
        "pair",
        epilog="Examples:\n\n  mdlp-bench data pair TRACKS -o OUT --reader crnn\n\n"
        "  mdlp-bench data pair frames.csv -o OUT --policy window:12-16 --triplets 4 --stride 3",
    )(pair_tracks)
    app.command(
        "split",
        epilog="Examples:\n\n  mdlp-bench data split DATASET -o OUT\n\n"
        "  mdlp-bench data split DATASET -o OUT --ratios train=0.7,val=0.1,test=0.2 --search 64\n\n"
        "  mdlp-bench data split MDLP -o OUT --keep",
    )(split_data)
    app.command(
        "triage",
        epilog="Examples:\n\n  mdlp-bench data triage DATASET --csv triage.csv\n\n"
        "  mdlp-bench data triage MDLP --split val --reader ppocrv4 --json",
    )(triage_data)
    app.command(
        "audit",
        epilog="Examples:\n\n  mdlp-bench data audit DATASET --html audit.html\n\n"
        "  mdlp-bench data audit DATASET --reader crnn --fix",
    )(audit_data)
    app.command(
        "label",
        epilog="Examples:\n\n  mdlp-bench data label MDLP --readers crnn,ppocrv4,clpr -o LABELS\n\n"
        "  mdlp-bench data label MDLP --readers crnn,ppocrv4,clpr -o LABELS --answers answers.csv\n\n"
        "  mdlp-bench data export MDLP -o OUT --labels LABELS/labels.csv",
    )(label_data)


def pair_tracks(
    tracks: Annotated[
        Path,
        typer.Argument(
            help="Folder of tracks (one folder of frames per track), or a CSV, TSV or Parquet table with the "
            "columns track_id, frame_index, path and optionally box, corners, timestamp, text.",
            show_default=False,
        ),
    ],
    old_out: OldOut = None,
    out: OutOption = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            help="earliest, official, lowest-size, window:LOW-HIGH (px high) or gap:K (frames).",
            show_default="earliest",
        ),
    ] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", help="Degraded frames per triplet.", show_default="3")
    ] = None,
    triplets: Annotated[
        int | None, typer.Option("--triplets", help="Maximum number of triplets per track.", show_default="1")
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option("--stride", help="Frames between the starts of two triplets.", show_default="3"),
    ] = None,
    reader: Annotated[
        list[str] | None,
        typer.Option(
            "--reader",
            help="Reader that votes on the text and finds legible frames; repeat for more. crnn, ppocrv4, "
            "clpr, onnx:PATH or file.py:function.",
            show_default="none",
        ),
    ] = None,
    config: ThresholdsOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Only this many tracks.", show_default="all"),
    ] = None,
    name: NameOption = None,
    version: VersionOption = "1.0.0",
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make triplets of captured tracks, with a report of what was dropped and why (OUT/pairing.html)."""
    from mdlp_bench.curate.pairing import make_config, pair
    from mdlp_bench.engine import engine_named

    out = required(moved(out, old_out, "-o OUT", "OUT after the tracks"), "-o OUT")
    options = {"policy": policy, "n_frames": frames, "max_triplets": triplets, "stride": stride}
    given = {option: value for option, value in options.items() if value is not None}
    thresholds = make_config(**(_settings(config) | given))
    report = pair(
        tracks, out, thresholds, readers=reader or (), order=order, labels=labels, limit=limit, name=name,
        version=version,
        engine=engine_named(engine, workers),
    )  # fmt: skip
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print_pairing(report, out)


def split_data(
    dataset: DataArgument,
    out: FolderOption,
    ratios: Annotated[
        str, typer.Option("--ratios", help="Share of each split, summing to 1.")
    ] = "train=0.8,val=0.1,test=0.1",
    seed: SeedOption = 0,
    search: Annotated[
        int,
        typer.Option(
            "--search", min=0, help="Try this many seeds and take the one that balances the strata best."
        ),
    ] = 0,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by", help="Column whose values stay together; repeat for more.", show_default="plate_id"
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Keep the existing splits; move each plate that leaks into the largest of its splits.",
        ),
    ] = False,
    source: SourceOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: LimitOption = None,
    name: NameOption = None,
    version: VersionOption = "1.0.0",
    supersedes: SupersedesOption = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split by plate, never by sample: adding data moves no plate. Reports the balance of the strata."""
    from mdlp_bench.curate.splitting import SplitRule, split_dataset
    from mdlp_bench.engine import engine_named
    from mdlp_bench.errors import DataError

    if keep and search:
        raise DataError("--search needs new splits; leave --keep out")
    rule = SplitRule(ratios=_ratios(ratios), seed=seed, by=tuple(by or ["plate_id"]), keep=keep)
    samples = opened(dataset, source=source, order=order, labels=labels, limit=limit)
    report = split_dataset(
        samples, out, rule, search=search, name=name, version=version, supersedes=supersedes,
        engine=engine_named(engine, workers),
    )  # fmt: skip
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print_split(report, out)


def audit_data(
    dataset: DataArgument,
    reader: Annotated[
        str | None,
        typer.Option("--reader", help="Reader that labels are compared with.", show_default="none"),
    ] = None,
    config: ThresholdsOption = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write a page with the offending pictures.", show_default="none"),
    ] = None,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Put leaks, duplicates and broken samples on the quarantine list that loaders honour.",
        ),
    ] = False,
    source: SourceOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: LimitOption = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for leaks, duplicates, broken and doubtful samples. Exit code 1 on leaks between splits."""
    from mdlp_bench.curate.audit import AuditConfig, audit, quarantine, write_html
    from mdlp_bench.data import open_samples
    from mdlp_bench.data.opening import HUB_PREFIX
    from mdlp_bench.engine import engine_named
    from mdlp_bench.errors import DataError, checked
    from mdlp_bench.readers.reach import texts_read

    if fix and dataset.startswith(HUB_PREFIX):
        raise DataError("--fix needs a folder of your own; export the data set first")
    thresholds = checked(AuditConfig, _settings(config), "audit")
    samples = open_samples(dataset, source=source, order=order, labels=labels, limit=limit)
    found = audit(samples, thresholds, reader=reader, engine=engine_named(engine, workers))
    if html is not None:
        write_html(found, samples, html)
    folder = Path(dataset) if Path(dataset).is_dir() else Path(dataset).parent
    listed = quarantine(found, samples, folder) if fix else {}
    texts = samples.column("text")
    if as_json:
        content = found.model_dump(mode="json") | {"texts_read": texts_read(texts)}
        echo_json(content)
    else:
        _print_audit(found)
        tell_readers(texts_read(texts), sum(text is not None for text in texts))
    if html is not None:
        typer.echo(f"report: {html}", err=as_json)
    if fix:
        typer.echo(f"{counted(len(listed), 'sample')} put on the quarantine list of {folder}", err=as_json)
    if found.leaks:
        raise typer.Exit(1)


def triage_data(
    dataset: DataArgument,
    reader: Annotated[
        str,
        typer.Option(
            "--reader", help="Reader that judges, or auto for the bundled one that knows the texts."
        ),
    ] = "auto",
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Write verdict and confidences of every sample.", show_default="none"),
    ] = None,
    split: SplitOption = None,
    source: SourceOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find which plates are readable as captured, need restoring, or cannot be read at all."""
    from mdlp_bench.curate.triage import triage
    from mdlp_bench.data import open_samples
    from mdlp_bench.readers import AUTO, load_reader, reader_for

    samples = open_samples(dataset, split=split, source=source, order=order, labels=labels, limit=limit)
    name = reader_for(samples.column("text")) if reader == AUTO else reader
    found = triage(samples, load_reader(name))
    if csv is not None:
        found.write_csv(csv)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    verdicts = list(next(iter(found.counts.values()), {}))
    table = make_table(f"{found.dataset}, judged by {found.reader}", "split", *verdicts)
    for part, counts in found.counts.items():
        total = sum(counts.values())
        table.add_row(part, *(f"{counts[verdict]:,} ({counts[verdict] / total:.0%})" for verdict in verdicts))
    make_console().print(table)


def label_data(
    dataset: DataArgument,
    out: FolderOption,
    readers: Annotated[
        str, typer.Option("--readers", help="Comma-separated readers that vote, at least two.")
    ] = "crnn,ppocrv4,clpr",
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers",
            help="Label list by a person, such as OUT/doubtful.html saves; it counts more than votes.",
            show_default="none",
        ),
    ] = None,
    config: ThresholdsOption = None,
    split: SplitOption = None,
    source: SourceOption = None,
    order: OrderOption = None,
    labels: LabelsOption = None,
    limit: LimitOption = None,
    engine: EngineOption = "local",
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read the plates of a data set without texts; write OUT/labels.csv and a page for the doubtful ones.

    Texts are taken where the readers agree; see docs/curation.md. Exit code 1 when labels that were there
    contradict the readers.
    """
    from mdlp_bench.curate.label import LabelConfig, label
    from mdlp_bench.data import open_samples
    from mdlp_bench.engine import engine_named
    from mdlp_bench.errors import checked

    thresholds = checked(LabelConfig, _settings(config), "label")
    samples = open_samples(dataset, split=split, source=source, order=order, labels=labels, limit=limit)
    found = label(
        samples,
        out,
        comma_separated(readers),
        thresholds,
        answers=answers,
        engine=engine_named(engine, workers),
    )
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print_labels(found, out)
    if found.conflicts:
        raise typer.Exit(1)


def _ratios(text: str) -> dict[str, float]:
    from mdlp_bench.errors import DataError

    ratios: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        try:
            value = float(share)
        except ValueError:
            value = -1.0
        if not name.strip() or value < 0 or name.strip() in ratios:
            raise DataError(
                f"--ratios {text}: write name=share, each once, such as train=0.8,val=0.1,test=0.1"
            )
        ratios[name.strip()] = value
    return ratios


def _settings(path: Path | None) -> dict[str, Any]:
    """The mapping in a YAML or JSON file."""
    if path is None:
        return {}
    from mdlp_bench.data.sources.names import read_file
    from mdlp_bench.errors import DataError
    from mdlp_bench.yaml_text import parse_yaml

    content = parse_yaml(read_file(path), str(path))
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise DataError(f"{path}: must hold names and values, such as `min_gt_height: 48`")
    return content


def _print_pairing(report: PairingReport, out: Path) -> None:
    from mdlp_bench.report import plain

    console = make_console()
    table = make_table(
        f"{report.name}: {counted(report.triplets, 'triplet')} of {report.tracks_kept:,} "
        f"of {counted(report.tracks, 'track')}",
        "left out because", "count", "for example",
    )  # fmt: skip
    for code, count in (report.rejected | report.notes).items():
        kind = code if code in report.rejected else f"{code} (kept)"
        table.add_row(kind, f"{count:,}", report.examples[code][0])
    if not table.row_count:
        table.add_row("nothing", "0", "")
    console.print(table)
    origins = ", ".join(f"{name} {count:,}" for name, count in report.text_origins.items())
    console.print(f"texts: {origins}; readers: {', '.join(report.readers) or 'none'}")
    thresholds = ", ".join(f"{name} {plain(value)}" for name, value in report.config.model_dump().items())
    console.print(f"thresholds: {thresholds}")
    console.print(f"report: {out / 'pairing.html'}")


def _print_split(report: SplitReport, out: Path) -> None:
    console = make_console()
    table = make_table(
        f"{report.name}: {counted(report.samples, 'sample')}, {counted(report.groups, 'group')} "
        f"by {', '.join(report.rule.by)}",
        "split", "samples", "groups", "share", "target", "within tolerance",
    )  # fmt: skip
    for split, share in report.splits.items():
        target = "kept" if share.target is None else f"{share.target:.1%}"
        within = {None: "", True: "yes", False: "no"}[share.within_tolerance]
        table.add_row(split, f"{share.samples:,}", f"{share.groups:,}", f"{share.share:.1%}", target, within)
    console.print(table)
    worst = sorted(
        report.strata, key=lambda s: (s.within_tolerance, -abs(s.deviation) * (s.groups + 1) ** 0.5)
    )
    table = make_table(
        "Strata, the farthest from their targets first",
        "stratum",
        "split",
        "groups",
        "share",
        "target",
        "tolerance",
    )
    for stratum in worst[:_SHOWN]:
        mark = "" if stratum.within_tolerance else " (outside)"
        table.add_row(
            f"{stratum.variable} {stratum.value}", stratum.split, f"{stratum.groups:,}",
            f"{stratum.share:.1%}", f"{stratum.target:.1%}", f"{stratum.low:,} to {stratum.high:,}{mark}",
        )  # fmt: skip
    console.print(table)
    if report.repaired:
        console.print(f"{counted(len(report.repaired), 'group')} were in several splits and are now in one")
    if report.left_out:
        console.print(
            f"{report.left_out:,} samples cannot be read and were left out; `data inspect` says why"
        )
    how = "splits kept" if report.rule.keep else f"seed {report.rule.seed}"
    console.print(f"{how}; report: {out / 'split.json'}")


def _print_labels(found: LabelReport, out: Path) -> None:
    console = make_console()
    table = make_table(f"{found.name}: {counted(sum(found.counts.values()), 'sample')}", "text is", "samples")
    for status, count in found.counts.items():
        table.add_row(status, f"{count:,}")
    console.print(table)
    if "label" in found.counts:
        console.print(
            f"the readers are sure of {found.sure_of_labelled:,} labelled plates, "
            f"{len(found.conflicts):,} of them with another text"
        )
    groups = {
        "{} that the readers contradict": (
            "label",
            [f"{i}: {old} or {new}" for i, old, new in found.conflicts],
        ),
        "{} of several samples (one plate seen again, or a misreading)": (
            "text",
            [f"{text} ({', '.join(ids[:3])})" for text, ids in found.same_text.items()],
        ),
        "{} that cannot be read as pictures": ("sample", list(found.left_out.values())),
        "{} not used": ("answer", list(found.unused_answers)),
    }
    for what, (noun, items) in groups.items():
        if items:
            more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
            console.print(f"{what.format(counted(len(items), noun))}: {'; '.join(items[:_SHOWN])}{more}")
    console.print(f"readers: {', '.join(found.readers)}")
    settle = sum(found.counts.get(status, 0) for status in ("doubtful", "unreadable")) + len(found.conflicts)
    console.print(f"labels: {out / 'labels.csv'}")
    if settle:
        console.print(f"for a person to decide: {counted(settle, 'plate')} in {out / 'doubtful.html'}")


def _print_audit(found: Audit) -> None:
    from mdlp_bench.curate.audit import CHECKS

    console = make_console()
    size = f"{counted(found.samples, 'sample')}, {counted(found.plates, 'plate')}"
    quarantined = f", {found.quarantined:,} in quarantine" if found.quarantined else ""
    table = make_table(
        f"{found.name}: {size}, {counted(found.leaks, 'leak')}{quarantined}",
        "check", "severity", "count", "for example",
    )  # fmt: skip
    for code, count in found.counts.items():
        example = next(finding.message for finding in found.findings if finding.code == code)
        style = "red" if CHECKS[code].severity == "leak" else None
        table.add_row(code, CHECKS[code].severity, f"{count:,}", example, style=style)
    if not found.counts:
        table.add_row("nothing found", "", "0", "")
    console.print(table)
    for name, shares in found.balance.items():
        top = ", ".join(f"{value} {share:.0%}" for value, share in list(shares.items())[:_SHOWN])
        console.print(f"plates by {name}: {top}")
