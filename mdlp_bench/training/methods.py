"""One training from a recipe, which `mdlp-bench train METHOD` runs, and its network as a method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from mdlp_bench.data.samples import Samples
from mdlp_bench.files import seed_for, sha256_file
from mdlp_bench.methods import MethodDescriptor
from mdlp_bench.methods.network import NetworkMethod
from mdlp_bench.metrics.cost import count_parameters
from mdlp_bench.training.loop import Report
from mdlp_bench.training.loop import train as run_training
from mdlp_bench.training.registry import Recipe, load_trainable
from mdlp_bench.training.trainable import Trainable


def method_of(trainable: Trainable, weights: Path, descriptor: MethodDescriptor) -> NetworkMethod:
    """What a training made, as a method that restores as the trainable does.

    Args:
        trainable: What was trained.
        weights: Its weight file.
        descriptor: Its descriptor; the parameters are counted here.

    Raises:
        MdlpBenchError: The weights are missing or do not fit.
    """
    trainable.load(weights)
    trainable.eval()

    def restore(network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        # What the network needs beside it is moved with it.
        return trainable.to(frames.device).restore(network, frames, seeds)

    count = count_parameters(trainable.network)
    return NetworkMethod(descriptor.model_copy(update={"parameters": count}), trainable.network, restore)


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
    report: Report | None = None,
) -> Path:
    """Train a method as a recipe says, or continue an interrupted training.

    Args:
        method: A name of the entry points `mdlp_bench.trainables`.
        samples: The training data.
        recipe: Options of the method, and the common configuration.
        out: The run folder.
        validation: Samples never trained on.
        start: Start from these weights instead of random ones.
        stop_after: Leave after this step.
        device: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`.
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
        "method": method,
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
    )
