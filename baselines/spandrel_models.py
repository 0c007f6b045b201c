"""Networks whose layers come from spandrel: official checkpoints in, a network ready to run out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from mdlp_bench.errors import MethodError, reason
from mdlp_bench.methods.weights import check_types, without_wrappers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn


@dataclass(frozen=True)
class LoadedNetwork:
    """A super-resolution network with its weights, in evaluation mode.

    Attributes:
        network: Maps RGB [B, 3, h, w] in 0..1 to [B, 3, scale * h, scale * w], unclipped.
        scale: Enlargement.
        architecture: spandrel's name of it: `ESRGAN` (RRDBNet), `Compact` (SRVGGNetCompact) or `HAT`.
    """

    network: nn.Module
    scale: int
    architecture: str

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.network.parameters())


def load_with_spandrel(
    state: Mapping[str, Tensor], source: str, architectures: Sequence[Any]
) -> LoadedNetwork:
    """Build the first of `architectures` whose keys `state` has, and load the weights into it.

    Args:
        state: Parameter name to tensor, with or without wrappers' prefixes.
        source: What to call the weights in errors, usually their path.
        architectures: spandrel architectures to try, in this order.

    Raises:
        MethodError: The keys fit none of them, shapes contradict each other, or it is not RGB to RGB.
    """
    unwrapped = ((one, table) for table in without_wrappers(state) for one in architectures)
    architecture, state = next(((one, table) for one, table in unwrapped if one.detect(table)), (None, state))
    if architecture is None:
        names = " or ".join(candidate.name for candidate in architectures)
        raise MethodError(f"{source}: not a checkpoint of {names} (it begins with {next(iter(state), '')!r})")
    try:
        descriptor = architecture.load(
            {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        )
    except (RuntimeError, KeyError, ValueError, IndexError, ZeroDivisionError) as error:
        raise MethodError(
            f"{source}: not a complete {architecture.name} checkpoint ({reason(error)})"
        ) from error
    check_types(descriptor.model.state_dict(), state, source)
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise MethodError(
            f"{source}: maps {descriptor.input_channels} channels to {descriptor.output_channels}, "
            "needs an RGB network"
        )
    return LoadedNetwork(
        # spandrel hands its networks out in training mode: stochastic depth would change every output.
        # Channels-last weights make convolutions about 20 % faster on a CPU.
        network=descriptor.model.eval().to(memory_format=torch.channels_last),
        scale=descriptor.scale,
        architecture=descriptor.architecture.id,
    )
