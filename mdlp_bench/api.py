"""The Python interface; `mdlp_bench` offers these functions under its own name.

Defaults are those of the command line. Paths are `str` or `Path`, also in `Path("my_method.py:restore")`.
Where a data set is taken, its path will do: it is opened whole. Where several methods, readers, metrics, runs
or columns are taken, a single one counts as a list of one; a text is one name, also with commas in it.
Devices are `auto`, `cpu`, `cuda`, `cuda:N`, `mps`, or a `torch.device`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from mdlp_bench.data import as_samples, open_samples
from mdlp_bench.data.samples import Samples
from mdlp_bench.device import Compute, check_asked, device_name
from mdlp_bench.engine import SERIAL, Engine, RayEngine
from mdlp_bench.errors import DataError, MethodError, RunError
from mdlp_bench.harness import bench as _bench
from mdlp_bench.harness import compare as _compare
from mdlp_bench.harness import plan as _plan
from mdlp_bench.harness import plots as _plots
from mdlp_bench.harness import predict as _predict
from mdlp_bench.harness import score as _score
from mdlp_bench.harness.published import published_rows
from mdlp_bench.harness.run import Run, runs_in
from mdlp_bench.harness.run_table import TableOptions
from mdlp_bench.harness.tables import Intervals
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.methods import AnyMethod, load_method, registered_methods
from mdlp_bench.metrics.base import UserMetric
from mdlp_bench.plate import Layout, is_valid, normalise
from mdlp_bench.synth import degrade as _degrade
from mdlp_bench.synth import render as _render
from mdlp_bench.userfiles import Several, one_or_more

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure
    from torch import nn


def open(
    path: str | Path,
    *,
    split: str | None = None,
    source: str | None = None,
    order: str | None = None,
    labels: str | Path | None = None,
    limit: int | None = None,
) -> Samples:
    """Open a data set of any known layout (see `mdlp_bench.data.open_samples`).

    Example:
        >>> import mdlp_bench as mb
        >>> data = mb.open("DATA", split="test")
        >>> data[0].text_origin, len(data) == data.splits["test"]
        ('rendered', True)
    """
    return open_samples(path, split=split, source=source, order=order, labels=labels, limit=limit)


def predict(
    method: AnyMethod | nn.Module | str | Path,
    samples: Samples | str | Path,
    out: str | Path,
    *,
    batch_size: int = 16,
    seed: int = 0,
    measure: bool = False,
    device: str | torch.device = "auto",
    precision: str = "fp32",
    numerics: str | None = None,
    engine: Engine = SERIAL,
) -> _predict.Predictions:
    """Restore every sample with a method, or with the one that `load_method` finds, into the folder `out`.

    A network is a method too: it gets frames [B, N, 3, 112, 224] in [-1, 1], where N is its attribute
    `frames`, by default 3, and gives [B, 3, H, W]; a copy of it is used. `samples` is a data set or its path.
    Device, precision and numerics are those of `mdlp_bench.device.Compute.resolve`; for the other arguments
    see `mdlp_bench.harness.predict.predict`.

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
        _method_or_name(method),
        as_samples(samples),
        Path(out),
        batch_size=batch_size,
        seed=seed,
        measure=measure,
        compute=compute,
        engine=engine,
    )


def _method_or_name(given: AnyMethod | nn.Module | str | Path) -> AnyMethod | str:
    if isinstance(given, str | Path):
        return str(given)
    if isinstance(given, AnyMethod):
        return given
    if _is_network(given):
        from mdlp_bench.methods.network import method_of_object

        return method_of_object(given)
    raise MethodError(
        f"a {type(given).__name__} is no method; give a name, file.py:NAME, a Method, a network, or what "
        "mb.method makes of a function"
    )


def _is_network(given: object) -> TypeGuard[nn.Module]:
    return "torch" in sys.modules and isinstance(given, sys.modules["torch"].nn.Module)


def score(
    predictions: _predict.Predictions | str | Path,
    samples: Samples | str | Path,
    out: str | Path,
    *,
    readers: Several[str | Path] | None = None,
    lpips: str = "squeeze",
    fid: bool = True,
    protocol: str | None = None,
    metrics: Several[UserMetric | str | Path] = (),
    aligned: bool = True,
    device: str | torch.device = "auto",
    engine: Engine = SERIAL,
) -> Run:
    """Score predictions under the protocol into the run folder `out`.

    Args:
        predictions: What `predict` returned, or its folder.
        samples: The data set they were made on, or its path.
        out: The run folder.
        readers: Reader names, default the protocol's; the first one ranks.
        lpips: Net of LPIPS: `alex`, `squeeze`, `vgg` or `none`.
        fid: Also compute FID and KID, when Inception's weights are there.
        protocol: Id of the protocol, default the current one.
        metrics: Further metrics: made by `mb.metric`, or names or `file.py:NAME`.
        aligned: Also PSNR and SSIM after registration, which takes two thirds of the time.
        device: Where LPIPS, the CRNN and Inception compute.
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
    remote = isinstance(engine, RayEngine)
    scoring = Compute.for_scoring(device, remote=remote)
    found = _predictions(predictions)
    data = as_samples(samples)
    plan = _plan.ScoringPlan.from_names(
        readers, lpips, fid, protocol, scoring.device, aligned, metrics, remote=remote, samples=data
    )
    (run,) = _score.score([found], data, [Path(out)], plan, engine=engine)
    return run


def _predictions(given: _predict.Predictions | str | Path) -> _predict.Predictions:
    if isinstance(given, _predict.Predictions):
        return given
    if isinstance(given, str | Path):
        return _predict.Predictions(Path(given))
    raise RunError(
        f"a {type(given).__name__} holds no predictions; give what mb.predict returned or its folder"
    )


def bench(
    methods: Several[AnyMethod | nn.Module | str | Path],
    samples: Samples | str | Path,
    out: str | Path,
    *,
    readers: Several[str | Path] | None = None,
    lpips: str = "squeeze",
    fid: bool = True,
    protocol: str | None = None,
    metrics: Several[UserMetric | str | Path] = (),
    aligned: bool = True,
    batch_size: int = 16,
    seed: int = 0,
    seeds: int = 1,
    device: str | torch.device = "auto",
    precision: str = "fp32",
    numerics: str | None = None,
    engine: Engine = SERIAL,
) -> _compare.RunComparison:
    """Predict with several methods, score them and write predictions, runs, tables and a figure into `out`.

    The oracle rows ground-truth (ceiling) and input (floor) are added. The other arguments are those of
    `predict` and `score`.

    Args:
        methods: Methods, networks (see `predict`), or what `load_method` finds under their names.
        samples: The data set, or its path.
        out: The folder; a stopped benchmark resumes.
        seeds: Number of seeds, from `seed` on, for methods that depend on their seed.

    Raises:
        MdlpBenchError: As in `mdlp_bench.harness.bench.bench`, or the device is not there.

    Example:
        >>> import mdlp_bench as mb
        >>> @mb.method(frames=1)
        ... def darker(frames):
        ...     return frames[:, 0] // 2
        >>> data = mb.open("DATA", split="test")
        >>> comparison = mb.bench(["bicubic", darker], data, "out", lpips="none")
        >>> sorted(run.name for run in comparison.best_first())
        ['bicubic', 'darker']
    """
    remote = isinstance(engine, RayEngine)
    compute = Compute.resolve(device, precision, numerics, remote=remote)
    data = as_samples(samples)
    # Some networks can be iterated: over their layers.
    given: list[AnyMethod | nn.Module | str | Path] = (
        [methods] if _is_network(methods) else one_or_more(methods)
    )
    plan = _plan.ScoringPlan.from_names(
        readers, lpips, fid, protocol, compute.device, aligned, metrics, remote=remote, samples=data
    )
    return _bench.bench(
        list(map(_method_or_name, given)),
        data,
        Path(out),
        plan,
        batch_size=batch_size,
        seed=seed,
        seeds=seeds,
        compute=compute,
        engine=engine,
    )


def compare(
    runs: Several[Run | str | Path],
    *,
    columns: Several[str] | None = None,
    sort: str | None = None,
    intervals: Intervals = "small",
    decimals: int | Mapping[str, int] | None = None,
    bounds: bool = True,
    published: str | Path | None = None,
    title: str = "",
) -> _compare.RunComparison:
    """Put runs of one protocol, reader and data set side by side: ranks, tie groups, the table.

    Args:
        runs: What `score` returned, or run folders; a folder that `bench` wrote, or a folder of runs, stands
            for all that it holds.
        columns: Columns of the table in order, e.g. `["psnr", "lpips", "ned"]`; `["all"]` for every one;
            default the main ones, NED first.
        sort: Column by which rows are sorted, best first; `"given"` for the order of `runs`; default the
            ranking.
        intervals: `"small"` ([low, high] in small type), `"plus-minus"` or `"none"`.
        decimals: Digits after the decimal point, for every column or by column.
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
        >>> ", ".join(column.title for column in comparison.table.columns)
        'PSNR, NED'
        >>> comparison.write_table("table.tex")
    """
    quoted = () if published is None else published_rows(published)
    digits = {} if decimals is None else decimals
    shown: list[str] | None = None if columns is None else one_or_more(columns)
    options = TableOptions(shown, sort, intervals, digits, bounds, quoted, title)
    given: list[Run | str | Path] = one_or_more(runs)
    each = ([run] if isinstance(run, Run) else runs_in([Path(run)]) for run in given)
    opened = [run for found in each for run in found]
    return _compare.compare(opened, options)


def plot(
    runs: Several[Run | str | Path] | _compare.RunComparison,
    kind: str = "ned-cost",
    out: str | Path | None = None,
    *,
    metric: str = "ned",
) -> Figure:
    """Draw a figure of runs for a paper: `ned-cost`, `layout-bars`, `risk-coverage` or `rank`.

    Args and errors: see `mdlp_bench.harness.plots.plot`.

    Example:
        >>> import mdlp_bench as mb
        >>> data = mb.open("DATA", split="test")
        >>> run = mb.score(mb.predict("bicubic", data, "preds/bicubic"), data, "runs/bicubic", lpips="none")
        >>> figure = mb.plot([run], "rank", "rank.pdf")
        >>> float(figure.get_figwidth())
        3.45
    """
    comparison = runs if isinstance(runs, _compare.RunComparison) else compare(runs)
    return _plots.plot(comparison, kind, out, metric=metric)


def train(
    method: str | Path,
    samples: Samples | str | Path,
    out: str | Path,
    *,
    config: str | Path | None = None,
    validation: Samples | str | Path | None = None,
    start: str | Path | None = None,
    steps: int | None = None,
    seed: int | None = None,
    stop_after: int | None = None,
    device: str | torch.device = "auto",
    workers: int | None = None,
    precision: str | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> Path:
    """Train a method, or continue an interrupted training, into the run folder `out`.

    Args:
        method: A name that `mdlp-bench train` knows.
        samples: The training data: frames and ground truth. Of a path, as on the command line, the split
            `train` is trained on, and the split `val`, if there is one, is the default of `validation`.
        out: The run folder: weights, log, pictures.
        config: A size that the method knows, or a YAML file with the sections `options` and `training`.
        validation: Samples never trained on, or their path, for figures and pictures.
        start: Start from these weights instead of random ones.
        steps: Optimiser steps, default the configuration's.
        seed: Seed of all draws, default the configuration's.
        stop_after: Stop after this step.
        device: Where the networks are trained.
        workers: Processes that prepare batches; 0 for a thread beside the training. Default 0 on CPUs, and on
            a GPU as many as there are cores, up to 8.
        precision: `auto`, `fp32` or `bf16`, default the configuration's.
        report: Called with every line of the log.

    Returns:
        The weight file.

    Raises:
        MethodError: There is no such method, or an option is wrong.
        MdlpBenchError: As in `mdlp_bench.training.loop.train`.

    Example:
        >>> import mdlp_bench as mb
        >>> weights = mb.train("srcnn", mb.open("DATA", split="train"), "runs/srcnn", steps=1, device="cpu")
        >>> weights.name
        'weights.safetensors'
    """
    from mdlp_bench.training.methods import train_method
    from mdlp_bench.training.registry import read_recipe

    # Opening a data set may read all of its images.
    check_asked(device)
    every = as_samples(samples)
    data, held_out = every, None if validation is None else as_samples(validation)
    if every is not samples:
        data = every.select(split="train")
        if held_out is None and "val" in every.splits:
            held_out = every.select(split="val")
    return train_method(
        str(method),
        data,
        read_recipe(None if config is None else str(config), steps=steps, seed=seed, precision=precision),
        Path(out),
        validation=held_out,
        start=None if start is None else Path(start),
        stop_after=stop_after,
        device=device_name(device),
        workers=workers,
        report=report,
    )


def list_methods() -> list[str]:
    """The names of the methods that installed packages register; nothing is loaded.

    Example:
        >>> import mdlp_bench as mb
        >>> "lp-diff" in mb.list_methods()
        True
    """
    return list(registered_methods())


def load_network(name: str | Path, *, device: str | torch.device = "cpu") -> nn.Module:
    """The network of a method with its weights, in evaluation mode: to look into, to fine-tune, to export.

    What `forward` takes differs from network to network (docs/models.md has a table); `restore_batch` of the
    method takes the same frames for all of them.

    Args:
        name: As for `load_method`.
        device: Where to put it.

    Raises:
        MethodError: There is no such method, or it has no network.
        MdlpBenchError: Its weights are missing, or the device is not there.

    Example:
        >>> import mdlp_bench as mb, torch
        >>> network = mb.load_network("srcnn")
        >>> sum(p.numel() for p in network.parameters()) == mb.load_method("srcnn").descriptor.parameters
        True
        >>> mb.load_network("lp-diff")(torch.zeros(1, 3, 3, 112, 224)).shape
        torch.Size([1, 3, 112, 224])
    """
    from mdlp_bench.methods.network import NetworkMethod

    place = Compute.resolve(device).device
    method = load_method(name)
    if not isinstance(method, NetworkMethod):
        raise MethodError(f"method {name}: has no network")
    return method.network.to(place)


def degrade(
    image: ImageU8, recipe: str | Path = "surveillance", *, frames: int = 3, seed: int = 0, name: str = "0"
) -> tuple[ImageU8, ...]:
    """Degrade a ground truth into consecutive frames, as a camera would record a plate that comes nearer.

    `mdlp_bench.synth.degrade.degrade_triplet` also gives every parameter that was drawn.

    Args:
        image: uint8 RGB [H, W, 3].
        recipe: A named recipe or a YAML file.
        frames: Number of frames.
        seed: Seed of all draws, together with `name`.
        name: Another name gives other draws.

    Returns:
        The frames, oldest first, uint8 RGB [h, w, 3] each; the later ones are larger.

    Raises:
        DataError: The image is not uint8 RGB, or there is no such recipe.

    Example:
        >>> import mdlp_bench as mb
        >>> frames = mb.degrade(mb.render("京P20S75").image, "surveillance", seed=1)
        >>> len(frames), frames[0].shape[0] < frames[2].shape[0] < 112
        (3, True)
    """
    made = _degrade.degrade_triplet(
        image, _degrade.load_recipe(recipe), seed=seed, sample_id=name, n_frames=frames
    )
    return tuple(decode(frame, f"frame {number}") for number, frame in enumerate(made.frames))


def render(
    text: str | None = None,
    *,
    layout: Layout | None = None,
    seed: int = 0,
    difficulty: float = 0.7,
    size: tuple[int, int] = (112, 224),
) -> _render.RenderedSample:
    """Render one plate in a scene.

    Args:
        text: Its text; default a random one.
        layout: Its layout, e.g. `blue`; default one that fits the text.
        seed: Seed of the looks, and of the text where none is given.
        difficulty: 0 gives clean and frontal plates, 1 the full range of traffic.
        size: Height and width in pixels.

    Returns:
        The plate: `image` is uint8 RGB [H, W, 3]; `text`, `layout`, `style`, `corners`.

    Raises:
        DataError: The text is not a plate of the layout, or an argument is out of range.

    Example:
        >>> import mdlp_bench as mb
        >>> plate = mb.render("京P20S75", seed=3)
        >>> plate.layout, plate.image.shape
        ('blue', (112, 224, 3))
    """
    if not 0 <= difficulty <= 1:
        raise DataError(f"difficulty is {difficulty}, must be from 0 to 1")
    appearance = _render.Appearance(difficulty=difficulty)
    if text is None:
        shares = _render.DEFAULT_LAYOUTS if layout is None else {layout: 1.0}
        return _render.render_sample(seed, 0, layouts=shares, appearance=appearance, size=size)
    text = normalise(text)
    fitting = [one for one in _render.DEFAULT_LAYOUTS if layout in (None, one) and is_valid(text, one)]
    if not fitting:
        raise DataError(f"{text!r} is not a plate of {layout or 'any layout that is rendered'}")
    style = _render.sample_style(np.random.default_rng(seed), fitting[0], appearance=appearance)
    crop = _render.render_scene_crop(text, fitting[0], style, size)
    return _render.RenderedSample(0, text, fitting[0], style, crop.image, crop.corners)
