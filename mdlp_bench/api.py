"""The Python interface in four functions; `mdlp_bench` offers them under its own name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mdlp_bench.data import open_samples
from mdlp_bench.data.samples import Samples
from mdlp_bench.device import Compute
from mdlp_bench.engine import SERIAL, Engine, RayEngine
from mdlp_bench.harness import compare as _compare
from mdlp_bench.harness import plan as _plan
from mdlp_bench.harness import predict as _predict
from mdlp_bench.harness import score as _score
from mdlp_bench.harness.published import published_rows
from mdlp_bench.harness.run import Run
from mdlp_bench.harness.run_table import TableOptions
from mdlp_bench.harness.tables import Intervals
from mdlp_bench.methods import AnyMethod


def open(path: str | Path, *, split: str | None = None, source: str | None = None) -> Samples:
    """Open a data set of any known layout (see `mdlp_bench.data.open_samples`).

    Example:
        >>> import mdlp_bench as mb
        >>> data = mb.open("DATA", split="test")
        >>> next(data.rows())["text_origin"]
        'rendered'
    """
    return open_samples(path, split=split, source=source)


def predict(
    method: AnyMethod | str,
    samples: Samples,
    out: str | Path,
    *,
    batch_size: int = 16,
    seed: int = 0,
    device: str = "auto",
    precision: str = "fp32",
    numerics: str | None = None,
    engine: Engine = SERIAL,
) -> _predict.Predictions:
    """Restore every sample with a method, or what `load_method` finds under its name, into the folder `out`.

    Device, precision and numerics are those of `mdlp_bench.device.Compute.resolve`; further arguments see
    `mdlp_bench.harness.predict.predict`.

    Raises:
        MdlpBenchError: As in `mdlp_bench.harness.predict.predict`, or the device is not there.

    Example:
        >>> import mdlp_bench as mb
        >>> predictions = mb.predict("bicubic", mb.open("DATA", split="test"), "preds/bicubic")
        >>> predictions.record.n_failed
        0
        >>> next(iter(predictions)).image.shape
        (112, 224, 3)
    """
    compute = Compute.resolve(device, precision, numerics, remote=isinstance(engine, RayEngine))
    return _predict.predict(
        method, samples, Path(out), batch_size=batch_size, seed=seed, compute=compute, engine=engine
    )


def score(
    predictions: _predict.Predictions,
    samples: Samples,
    out: str | Path,
    *,
    readers: Sequence[str] | None = None,
    lpips: str = "alex",
    fid: bool = False,
    aligned: bool = True,
    device: str = "auto",
    engine: Engine = SERIAL,
) -> Run:
    """Score predictions under the protocol into the run folder `out`.

    Args:
        predictions: What `predict` returned.
        samples: The data set they were made on.
        out: The run folder.
        readers: Reader names, default the protocol's; the first one ranks.
        lpips: Net of LPIPS: `alex`, `squeeze`, `vgg` or `none`.
        fid: Also FID and KID, when Inception's weights are there.
        aligned: Also PSNR and SSIM after registration, two thirds of the time.
        device: Where LPIPS, the CRNN and Inception compute: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        engine: Where samples are scored.

    Raises:
        MdlpBenchError: As in `mdlp_bench.harness.score.score`, or the device is not there.

    Example:
        >>> import mdlp_bench as mb
        >>> data = mb.open("DATA", split="test")
        >>> run = mb.score(mb.predict("bicubic", data, "preds/bicubic"), data, "runs/bicubic", lpips="none")
        >>> 0 <= run.summary["ned"].mean <= 1
        True
        >>> mb.compare([run]).best_first()[0].record.method.title
        'Bicubic'
    """
    scoring = Compute.for_scoring(device)
    plan = _plan.ScoringPlan.from_names(readers, lpips, fid, device=scoring.device, aligned=aligned)
    (run,) = _score.score([predictions], samples, [Path(out)], plan, engine=engine)
    return run


def compare(
    runs: Sequence[Run],
    *,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    intervals: Intervals = "small",
    decimals: int | Mapping[str, int] | None = None,
    bounds: bool = True,
    published: str | Path | None = None,
    title: str = "",
) -> _compare.RunComparison:
    """Put runs of one protocol, reader and data set side by side: ranks, tie groups, the table.

    Args:
        runs: What `score` returned, or opened run folders.
        columns: Columns of the table in order, e.g. `["psnr", "lpips", "ned"]`; `["all"]` for every one;
            default the main ones, NED first.
        sort: Column by which rows are sorted, best first; `"given"` for the order of `runs`; default the
            ranking.
        intervals: `"small"` ([low, high] in small type), `"plus-minus"` or `"none"`.
        decimals: Digits behind the point, for every column or by column.
        bounds: Whether ceiling and floor are shown.
        published: `"mdlp"`, `"mdlp-ablation"` or a CSV file with rows quoted from papers, shown apart.
        title: The first sentence of the caption.

    Raises:
        MdlpBenchError: As in `mdlp_bench.harness.compare.compare`, or there is no such column.

    Example:
        >>> import mdlp_bench as mb
        >>> data = mb.open("DATA", split="test")
        >>> run = mb.score(mb.predict("bicubic", data, "preds/bicubic"), data, "runs/bicubic", lpips="none")
        >>> comparison = mb.compare([run], columns=["psnr", "ned"], intervals="none")
        >>> [column.title for column in comparison.table.columns]
        ['PSNR', 'NED']
        >>> comparison.write_table("table.tex")
    """
    quoted = () if published is None else published_rows(published)
    digits = {} if decimals is None else decimals
    options = TableOptions(columns, sort, intervals, digits, bounds, quoted, title)
    return _compare.compare(runs, options)
