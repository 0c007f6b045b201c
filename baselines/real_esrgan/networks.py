"""Real-ESRGAN's generators: RRDBNet and SRVGGNetCompact.

Wang, Xie, Dong, Shan: "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data",
ICCV Workshops 2021 (arXiv 2107.10833). RRDBNet: Wang et al., "ESRGAN", ECCV Workshops 2018 (arXiv
1809.00219). The layers are spandrel's (MIT); official checkpoints (BSD-3-Clause) load with their own keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from baselines.spandrel_models import LoadedNetwork, load_with_spandrel
from mdlp_bench.frozen import Frozen
from mdlp_bench.methods.weights import read_state_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


class CompactConfig(Frozen):
    """Shape of an SRVGGNetCompact: convolutions at the input's size, pixel shuffle, plus the enlarged input.

    The released constructor's arguments, by their names.

    Attributes:
        num_in_ch: Colour channels in.
        num_out_ch: Colour channels out.
        num_feat: Channels of the body.
        num_conv: Convolutions of the body.
        upscale: Enlargement.
        act_type: Activation; only `prelu` can be told from a checkpoint, and every official one has it.
    """

    num_in_ch: Literal[3] = 3
    num_out_ch: Literal[3] = 3
    num_feat: int = Field(default=64, ge=1)
    num_conv: int = Field(default=16, ge=1)
    upscale: Literal[1, 2, 3, 4] = 4
    act_type: Literal["prelu", "relu", "leakyrelu"] = "prelu"


# For training on the CPU with frames of 28 x 56 enlarged four times; the official video model's shape.
PLATE = CompactConfig()


def build_compact(config: CompactConfig = PLATE) -> nn.Module:
    """A compact network with fresh weights, in training mode; maps [B, 3, h, w] to the enlarged image."""
    from spandrel.architectures.Compact import Compact

    network: nn.Module = Compact(**config.model_dump())
    return network


def load_generator(path: Path) -> LoadedNetwork:
    """Load an official Real-ESRGAN checkpoint (`params_ema` preferred), or one trained here.

    Raises:
        MissingWeightsError: There is no such file.
        MethodError: It is a checkpoint of neither network.
    """
    return generator_from_state(read_state_dict(path), str(path))


def generator_from_state(state: Mapping[str, Tensor], source: str) -> LoadedNetwork:
    """Build the RRDBNet or SRVGGNetCompact whose weights `state` holds.

    Args:
        state: Parameter name to tensor, official names.
        source: What to call the weights in errors.

    Raises:
        MethodError: The weights are of neither network.
    """
    from spandrel.architectures.Compact import CompactArch
    from spandrel.architectures.ESRGAN import ESRGANArch

    return load_with_spandrel(state, source, [ESRGANArch(), CompactArch()])
