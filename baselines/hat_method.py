"""A small HAT trained on plates, as a trainable and as a method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from torch.nn import functional as F

from baselines.hat import PLATE, HatConfig, build_hat
from baselines.learning import RegressionTrainable, parse_options, shrink
from baselines.restoring import FramePolicy, SingleImageMethod, trained_single_image
from baselines.weights import bundled, load_network

_INPUT_SIZE = (28, 56)
CITATION = "Chen et al.: Activating More Pixels in Image Super-Resolution Transformer, CVPR 2023"


class HatOptions(BaseModel):
    """What `mdlp-bench train hat` can be told.

    Attributes:
        config: `plate` is a network that trains on a CPU, 28 x 56 to 112 x 224.
        network: Fields of `HatConfig` to set differently.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Literal["plate"] = "plate"
    network: dict[str, Any] = {}


def trainable(options: Mapping[str, Any]) -> RegressionTrainable:
    """The network with its L1 loss.

    Raises:
        MethodError: An option is wrong.
    """
    parsed = parse_options(HatOptions, options, "hat")
    config = parse_options(HatConfig, PLATE.model_dump() | parsed.network, "hat network")
    return RegressionTrainable(build_hat(config), config, "hat", size=_INPUT_SIZE, loss=F.l1_loss)


def hat(weights: Path | None = None, frame: FramePolicy = "last", name: str = "hat") -> SingleImageMethod:
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
        lambda image, seed: network(shrink(image, _INPUT_SIZE) / 2 + 0.5) * 2 - 1,
        name=name,
        title="HAT (small)",
        frame=frame,
        citation=CITATION,
        is_bundled=weights is None,
    )
