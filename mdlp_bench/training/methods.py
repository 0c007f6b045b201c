"""One training of a method from a recipe: what `mdlp-bench train METHOD` runs."""

from __future__ import annotations

from pathlib import Path

import torch

from mdlp_bench.data.samples import Samples
from mdlp_bench.files import seed_for, sha256_file
from mdlp_bench.training.loop import Report
from mdlp_bench.training.loop import train as run_training
from mdlp_bench.training.registry import Recipe, identity_of, load_trainable


def train_method(
    method: str,
    samples: Samples,
    recipe: Recipe,
    out: Path,
    *,
    validation: Samples | None = None,
    start: Path | None = None,
    stop_after: int | None = None,
    device: str = "auto",
    workers: int | None = None,
    report: Report | None = None,
) -> Path:
    """Train a method as a recipe says, or continue an interrupted training.

    Args:
        method: A name of the entry points `mdlp_bench.trainables`, or `file.py:NAME` of a trainable.
        samples: The training data.
        recipe: Options of the method, and the common configuration.
        out: The run folder.
        validation: Samples never trained on.
        start: Start from these weights instead of random ones.
        stop_after: Stop after this step.
        device: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`.
        workers: Processes that prepare batches, as in `mdlp_bench.training.loop.train`.
        report: Called with every log line.

    Returns:
        The weight file.

    Raises:
        MethodError: There is no such method, or an option is wrong.
        MdlpBenchError: As in `mdlp_bench.training.loop.train`.
    """
    torch.manual_seed(seed_for("weights", recipe.training.seed))
    trainable = load_trainable(method, recipe.options)
    if start is not None:
        trainable.load(start)
    about = {
        **identity_of(method),
        "options": dict(recipe.options),
        "start": sha256_file(start) if start is not None else None,
    }
    return run_training(
        trainable,
        samples,
        recipe.training,
        out,
        about=about,
        validation=validation,
        report=report,
        stop_after=stop_after,
        device=device,
        workers=workers,
    )
