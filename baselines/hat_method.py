"""A small HAT trained on plates, as a trainable and as a method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from torch.nn import functional as F

from baselines.hat import PLATE, HatConfig, build_hat, start_as_enlargement
from baselines.single_image import FramePolicy, in_unit_range, trained_single_image
from baselines.trainables import RegressionTrainable, TeacherOptions, parse_options
from baselines.weights import bundled
from mdlp_bench.methods.network import NetworkMethod
from mdlp_bench.methods.weights import load_network

_INPUT_SIZE = (28, 56)
CITATION = "Chen et al.: Activating More Pixels in Image Super-Resolution Transformer, CVPR 2023"


class HatOptions(TeacherOptions):
    """What `mdlp-bench train hat` can be told.

    Attributes:
        config: `plate` is a network that trains on a CPU, 28 x 56 to 112 x 224.
        network: Fields of `HatConfig` to set differently.
        power: 1 for L1, as released; 2 for the mean squared error.
    """

    config: Literal["plate"] = "plate"
    network: dict[str, Any] = Field(default_factory=dict)
    power: Literal[1, 2] = 1


def trainable(options: Mapping[str, Any]) -> RegressionTrainable:
    """The network with its loss, started as an enlargement.

    Raises:
        MethodError: An option is wrong.
    """
    parsed = parse_options(HatOptions, options, "hat")
    config = parse_options(HatConfig, PLATE.model_dump() | parsed.network, "hat network")
    network = build_hat(config)
    start_as_enlargement(network)
    loss = F.l1_loss if parsed.power == 1 else F.mse_loss
    return RegressionTrainable(network, config, "hat", size=_INPUT_SIZE, loss=loss, options=parsed)


def hat(weights: Path | None = None, frame: FramePolicy = "last", name: str = "hat") -> NetworkMethod:
    """HAT on one frame.

    Args:
        weights: A weight file of `mdlp-bench train hat`; default the bundled one.
        frame: Which of the first three frames, or their mean.
        name: Its name in runs.

    Raises:
        MissingWeightsError: The file is not there.
        MethodError: It is no such weight file.
    """
    path = weights or bundled("hat")
    network = load_network(path, "hat", HatConfig, build_hat)
    return trained_single_image(
        network,
        path,
        in_unit_range(_INPUT_SIZE),
        name=name,
        title="HAT",
        paper_parameters=20_800_000,
        frame=frame,
        citation=CITATION,
        is_bundled=weights is None,
    )
