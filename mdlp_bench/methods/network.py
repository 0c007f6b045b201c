"""The one adapter between networks and methods."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from mdlp_bench.device import whole_fp32
from mdlp_bench.errors import MethodError, reason
from mdlp_bench.files import sha256_file, slugify
from mdlp_bench.methods.base import FrameBatch, Method, MethodDescriptor
from mdlp_bench.methods.tensors import to_images, to_tensor
from mdlp_bench.methods.weights import check_finite, digest, load_exactly, read_state_dict, training_options
from mdlp_bench.metrics.cost import count_parameters
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
            the working size, and values beyond [-1, 1] are clipped.
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
        # Outside of inference mode: what it moves cannot be trained any more.
        self.network.to(batch.device)
        if batch.compute.numerics == "batched":
            return self._restored(frames, batch.seeds, batch.compute)
        # `[None]` instead of a slice: PyTorch chooses kernels by strides, and the bytes must not change.
        alone = zip(frames, batch.seeds, strict=True)
        return np.concatenate([self._restored(one[None], [seed], batch.compute) for one, seed in alone])

    @torch.inference_mode()
    @whole_fp32()
    def _restored(
        self, frames: npt.NDArray[np.uint8], seeds: Sequence[int], compute: Compute
    ) -> npt.NDArray[np.uint8]:
        device, dtype = torch.device(compute.device), compute.dtype
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            tensor = self._restore(self.network, to_tensor(frames, device), seeds)
        is_batch = isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.ndim == 4
        if not is_batch or tensor.shape[:2] != (len(frames), 3):
            wanted = f"floating point [{len(frames)}, 3, H, W] in [-1, 1]"
            raise MethodError(f"its network gives {_what(tensor)}, must give {wanted}")
        if not tensor.isfinite().all():
            hint = "" if dtype is None else f"; {compute.precision} may be too short for it, use fp32"
            raise MethodError(f"its network gives values that are not finite{hint}")
        restored = to_images(tensor)
        if restored.shape[1:3] == WORKING_SIZE:
            return restored
        return np.stack([to_working_size(image) for image in restored])


class Restorer(Protocol):
    """The part of `mdlp_bench.training.trainable.Trainable` that restores."""

    @property
    def network(self) -> nn.Module:
        """The restoration network."""

    def restore(self, network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        """Restore with the network; [B, N, 3, 112, 224] to [B, 3, 112, 224]."""

    def load(self, path: Path) -> None:
        """Read stored weights."""


def method_of_trainable(trainable: Restorer, weights: Path, descriptor: MethodDescriptor) -> NetworkMethod:
    """A trained network as a method that restores as its trainable does.

    Args:
        trainable: What was trained.
        weights: Its weight file.
        descriptor: Its descriptor; parameters and hash are filled in here.

    Raises:
        MdlpBenchError: The weights are missing, damaged or do not fit.
    """
    module = cast("nn.Module", trainable)
    try:
        trainable.load(weights)
    except (RuntimeError, KeyError, ValueError, OSError, SafetensorError) as error:
        raise MethodError(f"{weights}: does not fit {type(trainable).__name__} ({reason(error)})") from error
    check_finite(module.state_dict(), str(weights))
    module.eval()

    def restore(network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        # Modules that restoring needs beside the network are moved with it.
        with torch.inference_mode(mode=False):
            module.to(frames.device)
        return trainable.restore(network, frames, seeds)

    return NetworkMethod(_filled(descriptor, trainable.network, weights), trainable.network, restore)


def method_of_network(network: nn.Module, name: str, weights: Path | None = None) -> NetworkMethod:
    """A user's network as a method.

    Args:
        network: Maps frames [B, N, 3, 112, 224] in [-1, 1], oldest first, to [B, 3, H, W]. N is its attribute
            `frames`, 3 when it has none.
        name: Its name in runs.
        weights: Loaded into it strictly when given.

    Raises:
        MdlpBenchError: The weights are missing, damaged or do not fit.
    """
    if weights is not None:
        load_exactly(network, read_state_dict(weights), str(weights))
    frames = getattr(network, "frames", 3)
    descriptor = MethodDescriptor(name=name, title=name, frames_used=frames, licence="unknown")
    return NetworkMethod(_filled(descriptor, network, weights), network)


def method_of_object(network: nn.Module) -> NetworkMethod:
    """A copy of a network as a method, which leaves the network itself as it is, perhaps in training.

    Args:
        network: As for `method_of_network`; the method has the name of its class and the hash of its weights.
    """
    found = method_of_network(copy.deepcopy(network), slugify(type(network).__name__))
    found.descriptor = found.descriptor.model_copy(update={"weights_sha256": digest(network.state_dict())})
    return found


def method_of_weights(factory: Callable[..., object], weights: Path, name: str) -> NetworkMethod:
    """The network or trainable of a factory, with weights, as a method.

    Args:
        factory: Gives an `nn.Module` or a `Trainable`. Its parameter `options`, where it has one, gets the
            options of the training that the weight file's card names.
        weights: The weight file.
        name: Its name in runs.

    Raises:
        MethodError: The factory gives something else, or the weights do not fit.
    """
    takes_options = "options" in inspect.signature(factory).parameters
    made = factory(training_options(weights)) if takes_options else factory()
    if not isinstance(made, nn.Module):
        what = "takes no weights" if isinstance(made, Method) else f"gives a {type(made).__name__}"
        raise MethodError(f"{name}: what makes it {what}; must give a network or trainable")
    if callable(getattr(made, "restore", None)) and callable(getattr(made, "load", None)):
        descriptor = MethodDescriptor(name=name, title=name, licence="unknown")
        return method_of_trainable(cast("Restorer", made), weights, descriptor)
    return method_of_network(made, name, weights)


def _filled(descriptor: MethodDescriptor, network: nn.Module, weights: Path | None) -> MethodDescriptor:
    stored = None if weights is None else sha256_file(weights)
    return descriptor.model_copy(update={"parameters": count_parameters(network), "weights_sha256": stored})


def _what(given: object) -> str:
    if not isinstance(given, Tensor):
        return f"a {type(given).__name__}"
    return f"{str(given.dtype).removeprefix('torch.')} {list(given.shape)}"


def _forward(network: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
    restored: Tensor = network(frames)
    return restored
