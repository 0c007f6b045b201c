"""The one adapter between networks and methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mdlp_bench.methods.base import FrameBatch, Method, MethodDescriptor
from mdlp_bench.methods.tensors import to_images, to_tensor
from mdlp_bench.metrics.protocol import WORKING_SIZE, to_working_size

if TYPE_CHECKING:
    from mdlp_bench.device import Compute

View = Callable[[FrameBatch], npt.NDArray[np.uint8]]
"""What a network sees of a batch: uint8 RGB [B, N, H, W, 3] for N frames, [B, H, W, 3] for one image."""
Restore = Callable[[nn.Module, Tensor, Sequence[int]], Tensor]
"""A network, its view as a tensor [B, ..., 3, H, W] in [-1, 1] and one seed per sample to [B, 3, h, w]."""


class NetworkMethod(Method):
    """A network with its weights, as a method.

    Under `exact` numerics the network sees one sample at a time, under `batched` numerics whole batches on
    the batch's device and in its precision.

    Args:
        descriptor: Its descriptor.
        network: It is put into evaluation mode, and moved to the device of each batch.
        restore: How the network restores; default `network(frames)`. An output of another size is brought to
            the working size, values beyond [-1, 1] are clipped.
        view: What the network sees; default the first `descriptor.frames_used` frames at the working size.

    Attributes:
        network: The network.
    """

    def __init__(
        self,
        descriptor: MethodDescriptor,
        network: nn.Module,
        restore: Restore | None = None,
        *,
        view: View | None = None,
    ) -> None:
        self.descriptor = descriptor
        self.network = network.eval()
        self._restore = restore or _forward
        self._view = view

    def restore_batch(self, batch: FrameBatch) -> npt.NDArray[np.uint8]:
        """Restore with one seed per sample; uint8 [B, 112, 224, 3]."""
        frames = self._view(batch) if self._view else batch.frames(self.descriptor.frames_used)
        if batch.compute.numerics == "batched":
            return self._restored(frames, batch.seeds, batch.compute)
        # `[None]` and not a slice: kernels are chosen by strides, and the bytes are held to.
        alone = zip(frames, batch.seeds, strict=True)
        return np.concatenate([self._restored(one[None], [seed], batch.compute) for one, seed in alone])

    @torch.inference_mode()
    def _restored(
        self, frames: npt.NDArray[np.uint8], seeds: Sequence[int], compute: Compute
    ) -> npt.NDArray[np.uint8]:
        device, dtype = torch.device(compute.device), compute.dtype
        self.network.to(device)
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            restored = to_images(self._restore(self.network, to_tensor(frames, device), seeds))
        if restored.shape[1:3] == WORKING_SIZE:
            return restored
        return np.stack([to_working_size(image) for image in restored])


def _forward(network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
    restored: Tensor = network(frames)
    return restored
