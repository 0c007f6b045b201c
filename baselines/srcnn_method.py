"""SRCNN trained on plates, as a trainable and as a method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from baselines.learning import RegressionTrainable, parse_options
from baselines.restoring import SingleImageMethod
from baselines.srcnn import SRCNN_915, SRCNN_955, Srcnn, SrcnnConfig, srcnn_loss
from baselines.weights import TRAINED_ON, bundled, load_network
from mdlp_bench.files import sha256_file
from mdlp_bench.methods import MethodDescriptor
from mdlp_bench.metrics.protocol import WORKING_SIZE

_NETWORKS = {"955": SRCNN_955, "915": SRCNN_915}


class SrcnnOptions(BaseModel):
    """What `mdlp-bench train srcnn` can be told.

    Attributes:
        config: Kernels: `955` or `915`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Literal["955", "915"] = "955"


def trainable(options: Mapping[str, Any]) -> RegressionTrainable:
    """The network with its mean squared error.

    Raises:
        MethodError: An option is wrong.
    """
    config = _NETWORKS[parse_options(SrcnnOptions, options, "srcnn").config]
    return RegressionTrainable(Srcnn(config), config, "srcnn", size=WORKING_SIZE, loss=srcnn_loss)


def srcnn(weights: Path | None = None, name: str = "srcnn") -> SingleImageMethod:
    """SRCNN on the last of the first three frames.

    Args:
        weights: A weight file of `mdlp-bench train srcnn`; default the bundled one.
        name: Its name in runs.

    Raises:
        MissingWeightsError: The file is not there.
        MethodError: It is no such weight file.
    """
    path = weights or bundled("srcnn")
    network = load_network(path, "srcnn", SrcnnConfig, Srcnn)
    descriptor = MethodDescriptor(
        name=name,
        title="SRCNN",
        frames_used=1,
        frame_policy="the last of the first three",
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        weights_sha256=sha256_file(path),
        citation="Dong, Loy, He, Tang: Image Super-Resolution Using Deep Convolutional Networks, TPAMI 2016",
        provenance="reimplemented",
        trained_on=() if weights else TRAINED_ON,
    )
    return SingleImageMethod(descriptor, lambda image: network(image / 2 + 0.5) * 2 - 1, size=WORKING_SIZE)
