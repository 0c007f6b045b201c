"""LP-Diff as methods of the benchmark: the whole model, and its conditioning network alone."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from baselines.lp_diff.checkpoint import load
from baselines.restoring import SampleMethod
from baselines.weights import TRAINED_ON, bundled
from mdlp_bench.files import sha256_file
from mdlp_bench.methods import MethodDescriptor

STEPS = 1
"""Sampling steps: with the bundled weights one gives the best NED (benchmarks/sampling_quality.py)."""
_CITATION = (
    "Gong, Zhang, Feng, Nguyen, Liu: LP-Diff: Towards Improved Restoration of Real-World Degraded License "
    "Plate, CVPR 2025"
)


def lp_diff(weights: Path | None = None, steps: int = STEPS, name: str = "lp-diff") -> SampleMethod:
    """The described LP-Diff with trained weights.

    Args:
        weights: A weight file of `mdlp-bench train lp-diff`; default the bundled one.
        steps: Sampling steps.
        name: Its name in runs.

    Raises:
        MissingWeightsError: The file is not there.
        MethodError: It is no LP-Diff weight file.
    """
    path = weights or bundled("lp-diff")
    network, _ = load(path)
    descriptor = MethodDescriptor(
        name=name,
        title="LP-Diff",
        frames_used=network.config.n_frames,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        weights_sha256=sha256_file(path),
        citation=_CITATION,
        provenance="reimplemented",
        trained_on=() if weights else TRAINED_ON,
        deterministic=False,
    )

    def restore(frames: Tensor, seed: int) -> Tensor:
        return network.sample(frames, [seed], steps=steps)

    return SampleMethod(descriptor, restore)


def lp_diff_psi(weights: Path | None = None, name: str = "lp-diff-psi") -> SampleMethod:
    """psi alone: what LP-Diff's conditioning network restores, without the diffusion stage.

    Args and errors as in `lp_diff`.
    """
    path = weights or bundled("lp-diff")
    network, _ = load(path)
    descriptor = MethodDescriptor(
        name=name,
        title="LP-Diff, psi alone",
        frames_used=network.config.n_frames,
        parameters=sum(parameter.numel() for parameter in network.MTA.parameters()),
        weights_sha256=sha256_file(path),
        citation=_CITATION,
        provenance="reimplemented",
        trained_on=() if weights else TRAINED_ON,
    )
    return SampleMethod(descriptor, lambda frames, seed: network.condition(frames))
