"""Options that several commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

DEFAULT_LPIPS: Final = "squeeze"
"""The default net of LPIPS, equal to that of `ScoringPlan.from_names`, which a test compares."""

DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="Folder or file of any known layout, or hf://owner/name.", show_default=False
    ),
]
SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="The layout: mdlp, parquet, ccpd, lrlpr, ufpr, lpblur, table, crops, hub, ...",
        show_default="recognised by its files",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Where to write. Required.", show_default=False)
]
FolderOption = Annotated[Path, typer.Option("--out", "-o", help="Folder to write.", show_default=False)]
NameOption = Annotated[
    str | None, typer.Option("--name", help="Name of the data set.", show_default="the input's")
]
VersionOption = Annotated[str, typer.Option("--data-version", help="Version of the data set.")]
SupersedesOption = Annotated[str | None, typer.Option("--supersedes", help="The version it replaces.")]
ThresholdsOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="YAML or JSON file of thresholds (see docs/curation.md); options override it.",
        show_default="none",
    ),
]
OldOut = Annotated[Path | None, typer.Argument(hidden=True)]
"""Where commands of version 0.1 took OUT."""
TestSetArgument = Annotated[
    Path | None, typer.Argument(metavar="DATA", help="The test set.", show_default=False)
]
OldTestSet = Annotated[Path | None, typer.Option("--dataset", "-d", hidden=True)]
"""How commands of version 0.1 took the test set."""


def moved(given: Path | None, old: Path | None, now: str, before: str) -> Path | None:
    """A value given under its present spelling, or under that of version 0.1 (with a hint).

    Args:
        given: Under the present spelling.
        old: Under the old one.
        now: The present spelling, for the hint.
        before: The old one.

    Raises:
        BadParameter: Both are given.
    """
    if old is None:
        return given
    if given is not None:
        raise typer.BadParameter(f"give it once, as {now}")
    typer.echo(
        f"hint: write {now} instead of {before}; the next version will not accept the old form", err=True
    )
    return old


def required(given: Path | None, now: str) -> Path:
    """A value that must be given.

    Raises:
        BadParameter: It is not.
    """
    if given is None:
        raise typer.BadParameter(f"{now} is missing")
    return given


SplitOption = Annotated[str | None, typer.Option("--split", help="Only this split.", show_default="all")]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit",
        min=1,
        help="Only this many samples, from all splits alike: for a quick try.",
        show_default="all",
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="Label list whose texts are used: a sample, group or picture and its text per line, as "
        "`data label` writes it.",
        show_default="the data set's own",
    ),
]
OrderOption = Annotated[
    str | None,
    typer.Option(
        "--order",
        help="How the names of frames are read: name (natural order), number:K (the K-th number of a name, "
        "-1 the last), time (a clock time) or a file that lists the frames in order.",
        show_default="by what the names hold",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
BatchOption = Annotated[int, typer.Option("--batch-size", min=1, help="Samples per call of the method.")]
ReaderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--reader",
        help="Reader that scores the text; the first one ranks, repeat for more. "
        "crnn-3, ppocrv4, ppocrv5, ppocrv6, clpr, crnn, crnn-2, crnn-latin, onnx:PATH, "
        "FILE.safetensors of train reader, or file.py:function; "
        "panel is the first five, auto the bundled one that knows the set's texts.",
        show_default="the protocol's",
    ),
]
LpipsOption = Annotated[
    str,
    typer.Option("--lpips", help="LPIPS net: squeeze (small, and what the boards use), alex, vgg, or none."),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option("--protocol", help="Id of the rules of scoring.", show_default="that of this version"),
]
FidOption = Annotated[
    bool,
    typer.Option(
        "--fid/--no-fid",
        help="Also compute FID and KID, when Inception's weights are there; 0.2 s per image and CPU.",
    ),
]
EngineOption = Annotated[str, typer.Option("--engine", help="local (processes), or ray (a Ray cluster).")]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Processes; scores and exact numerics do not depend on it.",
        show_default="1; with ray all CPUs of the cluster, with a GPU all of its GPUs",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device", help="Where networks compute: auto (a GPU if there is one), cpu, cuda, cuda:N, mps."
    ),
]
PrecisionOption = Annotated[
    str, typer.Option("--precision", help="Precision of networks: fp32, bf16 or fp16 (autocast).")
]
ScoringPrecisionOption = Annotated[
    str, typer.Option("--precision", help="Scores are computed in fp32 on every device.")
]
NumericsOption = Annotated[
    str | None,
    typer.Option(
        "--numerics",
        help="exact (CPU, sample by sample: the same bytes whatever batch and workers) or batched (any "
        "device, whole batches, faster).",
        show_default="batched on a GPU or in short precision, else exact",
    ),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option("--metric", help="A further metric, a name or file.py:NAME; repeat for more."),
]
AlignedOption = Annotated[
    bool,
    typer.Option(
        "--aligned/--no-aligned",
        help="Also compute PSNR and SSIM after registration, which takes most of the scoring time.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
