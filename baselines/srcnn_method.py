"""SRCNN trained on plates, as a trainable and as a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional as F

from baselines.single_image import TrainedMethod, in_unit_range
from baselines.srcnn import SRCNN_915, SRCNN_955, Srcnn, SrcnnConfig
from baselines.trainables import RegressionTrainable, TeacherOptions
from mdlp_bench.errors import MethodError, checked
from mdlp_bench.metrics.protocol import WORKING_SIZE

_NETWORKS = {"955": SRCNN_955, "915": SRCNN_915}


class SrcnnOptions(TeacherOptions):
    """The options of `mdlp-bench train srcnn`.

    Attributes:
        config: Kernels: `955` or `915`.
    """

    config: Literal["955", "915"] = "955"


def trainable(options: Mapping[str, Any]) -> RegressionTrainable:
    """The network with its mean squared error (equation 4 of the paper), started as the identity.

    Raises:
        MethodError: An option is wrong.
    """
    parsed = checked(SrcnnOptions, options, "srcnn", MethodError)
    config = _NETWORKS[parsed.config]
    network = Srcnn(config)
    start_as_identity(network)
    return RegressionTrainable(network, config, "srcnn", size=WORKING_SIZE, loss=F.mse_loss, options=parsed)


@torch.no_grad()
def start_as_identity(network: Srcnn) -> None:
    """Set weights so that the network returns its input: the colours pass, all else is random and unused.

    From the paper's weights of 0.001 a network needs many millions of samples to learn even the colours.
    """
    colours = network.config.num_channels
    for layer in (network.conv1, network.conv2):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        layer.weight[:colours] = 0
    nn.init.zeros_(network.conv3.weight)
    for layer in (network.conv1, network.conv2, network.conv3):
        middle = layer.kernel_size[0] // 2
        for colour in range(colours):
            layer.weight[colour, colour, middle, middle] = 1


srcnn = TrainedMethod(
    key="srcnn",
    title="SRCNN",
    config=SrcnnConfig,
    build=Srcnn,
    restore=lambda _: in_unit_range(WORKING_SIZE),
    paper_parameters=69_251,
    citation="Dong, Loy, He, Tang: Image Super-Resolution Using Deep Convolutional Networks, TPAMI 2016",
)
srcnn_reader = srcnn.taught()
