"""Options that several commands share, each defined once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

DataArgument = Annotated[
    Path, typer.Argument(help="A data set: MDLP folder, Parquet folder, ...", show_default=False)
]
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
        help="Label list (sample_id,text) whose texts count, as `data label` writes it.",
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
        "crnn, ppocrv4, clpr, crnn-latin, onnx:PATH or file.py:function; panel is the first three, auto the "
        "bundled one that knows the set's texts.",
        show_default="the protocol's",
    ),
]
LpipsOption = Annotated[
    str,
    typer.Option("--lpips", help="LPIPS net: alex (the protocol's), squeeze, vgg, or none to leave it out."),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option("--protocol", help="Id of the rules of scoring.", show_default="that of this version"),
]
FidOption = Annotated[
    bool,
    typer.Option(
        "--fid/--no-fid", help="FID and KID too, when Inception's weights are there; 0.2 s an image and CPU."
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
        help="PSNR and SSIM after registration too, which takes most of the time of scoring.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def show_progress(as_json: bool = False) -> bool:
    """Whether to draw progress bars: on a terminal, and not beside JSON."""
    return not as_json and sys.stderr.isatty()
