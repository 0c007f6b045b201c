"""A small HAT trained on plates, as a trainable and as a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch.nn import functional as F

from baselines.hat import PLATE, HatConfig, build_hat, start_as_enlargement
from baselines.single_image import TrainedMethod, in_unit_range
from baselines.trainables import NetworkOptions, RegressionTrainable
from mdlp_bench.errors import MethodError, checked

_INPUT_SIZE = (28, 56)
CITATION = "Chen et al.: Activating More Pixels in Image Super-Resolution Transformer, CVPR 2023"


class HatOptions(NetworkOptions):
    """The options of `mdlp-bench train hat`.

    Attributes:
        config: `plate` is a network that trains on a CPU, 28 x 56 to 112 x 224.
        power: 1 for L1, as released; 2 for the mean squared error.
    """

    config: Literal["plate"] = "plate"
    power: Literal[1, 2] = 1


def trainable(options: Mapping[str, Any]) -> RegressionTrainable:
    """The network with its loss, started as an enlargement.

    Raises:
        MethodError: An option is wrong.
    """
    parsed = checked(HatOptions, options, "hat", MethodError)
    config = parsed.changed(PLATE, "hat")
    network = build_hat(config)
    start_as_enlargement(network)
    loss = F.l1_loss if parsed.power == 1 else F.mse_loss
    return RegressionTrainable(network, config, "hat", size=_INPUT_SIZE, loss=loss, options=parsed)


hat = TrainedMethod(
    key="hat",
    title="HAT",
    config=HatConfig,
    build=build_hat,
    restore=lambda _: in_unit_range(_INPUT_SIZE),
    paper_parameters=20_800_000,
    citation=CITATION,
)
hat_reader = hat.taught()
