"""LP-Diff as methods of the benchmark: the whole model, and its conditioning network alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from baselines.lp_diff.checkpoint import load
from baselines.weights import bundled, described_weights
from mdlp_bench.methods import MethodDescriptor
from mdlp_bench.methods.network import NetworkMethod
from mdlp_bench.metrics.cost import count_parameters

STEPS = 1
"""Sampling steps: see docs/models.md for what more of them give (benchmarks/sampling.py)."""
PAPER_PARAMETERS = 92_174_337
"""Of the released network."""
CITATION = (
    "Gong, Zhang, Feng, Nguyen, Liu: LP-Diff: Towards Improved Restoration of Real-World Degraded License "
    "Plate, CVPR 2025"
)


def lp_diff(weights: Path | None = None, steps: int = STEPS, name: str = "lp-diff") -> NetworkMethod:
    """The described LP-Diff with trained weights.

    Args:
        weights: A weight file of `mdlp-bench train lp-diff`; default the bundled one.
        steps: Sampling steps.
        name: Its name in runs.

    Raises:
        MissingWeightsError: The file is not there.
        MethodError: It is not an LP-Diff weight file.
    """
    path = weights or bundled("lp-diff")
    return described(path, name=name, title="LP-Diff", is_bundled=weights is None, steps=steps)


def lp_diff_long() -> NetworkMethod:
    """LP-Diff with the weights of its longest training, beyond the budget of the other methods.

    Raises:
        MissingWeightsError: The weights are not bundled.
    """
    made = described(bundled("lp-diff-long"), name="lp-diff-long", title="LP-Diff long", is_bundled=True)
    # The weight file knows the teacher of its last phase alone.
    made.descriptor = made.descriptor.model_copy(update={"teacher": "crnn, then teacher"})
    return made


def described(path: Path, *, name: str, title: str, is_bundled: bool, steps: int = STEPS) -> NetworkMethod:
    """A described LP-Diff of any configuration.

    Args:
        path: Its weight file.
        name: Its name in runs.
        title: Its name in tables, without size and data.
        is_bundled: Whether the file is the package's own, whose training data are known.
        steps: Sampling steps.

    Raises:
        MissingWeightsError: The file is not there.
        MethodError: It is not an LP-Diff weight file.
    """
    network = load(path)
    descriptor = MethodDescriptor(
        name=name,
        frames_used=network.config.n_frames,
        paper_parameters=PAPER_PARAMETERS,
        citation=CITATION,
        # One step from a level without signal is a function of the frames alone.
        deterministic=steps == 1 and network.config.zero_terminal,
        **described_weights(path, title, count_parameters(network), is_bundled=is_bundled),
    )

    def restore(_: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        return network.sample(frames, seeds, steps=steps)

    return NetworkMethod(descriptor, network, restore)


def lp_diff_psi(weights: Path | None = None, name: str = "lp-diff-psi") -> NetworkMethod:
    """psi alone: what LP-Diff's conditioning network restores, without the diffusion stage.

    Args and errors as in `lp_diff`.
    """
    path = weights or bundled("lp-diff")
    network = load(path)
    descriptor = MethodDescriptor(
        name=name,
        frames_used=network.config.n_frames,
        citation=CITATION,
        **described_weights(
            path, "LP-Diff, psi alone", count_parameters(network.MTA), is_bundled=weights is None
        ),
    )
    return NetworkMethod(descriptor, network, lambda _, frames, seeds: network.condition(frames))
