"""LPIPS through the `lpips` package, in batches, with the features of the ground truth computed once."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mdlp_bench.device import whole_fp32
from mdlp_bench.errors import DataError
from mdlp_bench.files import sha256_bytes
from mdlp_bench.metrics.base import lpips_column
from mdlp_bench.metrics.fidelity import Images, Scores, check_images
from mdlp_bench.metrics.protocol import CURRENT, LpipsNet, checked_net
from mdlp_bench.metrics.weights import BACKBONES, backbone_file, damaged, refuse_not_finite

# Images at a time. What a batch computes should stay in a CPU's caches; a GPU wants more to do.
_BATCH: Final = 4
_GPU_BATCH: Final = 64
# Bytes, a little below the largest block that glibc learns from.
_BLOCK: Final = 31 << 20
# Pixels per side that the layers of each backbone need.
_SMALLEST: Final[dict[LpipsNet, int]] = {"alex": 31, "squeeze": 17, "vgg": 16}
# Added to norms, as in the package, to divide nothing by zero.
_EPSILON: Final = 1e-10


@dataclass(frozen=True, slots=True)
class LpipsTarget:
    """Features of ground truths, computed once and reused for every method.

    A sample of the working size takes about 0.9 MB (alex), 3.2 MB (squeeze) or 12 MB (vgg): build one per
    batch of ground truths and score all methods against it, rather than one for a whole data set.

    Attributes:
        shape: Of the images, [B, H, W, 3].
        batches: For each batch that goes through the network and each layer the unit features of all
            positions, float32 [batch x H x W, C].
    """

    shape: tuple[int, ...]
    batches: tuple[tuple[Tensor, ...], ...]


class Lpips:
    """Learned perceptual image patch similarity, version 0.1; lower is better.

    Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018, eq. 1:
    squared differences of unit-normalised features, weighted per channel, averaged over positions, summed
    over layers.

    Attributes:
        net: The backbone.
        name: The metric's name in `base.METRICS`: `lpips` for alex, else `lpips_<net>`.
        backbone_sha256: Of the backbone's weight file.
        linear_sha256: Of the package's file with the weights of the channels.
    """

    def __init__(self, net: LpipsNet = CURRENT.lpips_net, device: str | torch.device = "cpu") -> None:
        """Load the network.

        Args:
            net: Backbone; `alex` is the protocol's.
            device: Where to compute.

        Raises:
            ProtocolError: There is no such net.
            MissingWeightsError: The backbone's weights are not in torch hub's cache and cannot be downloaded.
        """
        net = checked_net(net)
        path, self.backbone_sha256 = backbone_file(BACKBONES[net])
        linear = resources.files("lpips").joinpath("weights", f"v{CURRENT.lpips_version}", f"{net}.pth")
        self.linear_sha256 = sha256_bytes(linear.read_bytes())
        self.net: LpipsNet = net
        self.name = lpips_column(net)
        self.device = torch.device(device)
        self._batch = _BATCH if self.device.type == "cpu" else _GPU_BATCH
        try:
            model = _load(net)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise damaged(path, error) from error
        refuse_not_finite(model, path)
        # The package maps a grey level g to g / 127.5 - 1 and then to zero mean, unit variance per channel.
        scaling = model.scaling_layer.to(self.device)
        self._gain = 1.0 / (127.5 * scaling.scale)
        self._offset = -(1.0 + scaling.shift) / scaling.scale
        self._backbone: Any = model.net.to(self.device, memory_format=torch.channels_last)
        self._channel_weights = [
            layer.model[-1].weight.detach().flatten().to(self.device) for layer in model.lins
        ]
        _keep_freed_memory()

    def prepare(self, target: Images) -> LpipsTarget:
        """Compute the features of ground truths, uint8 [B, H, W, 3].

        Raises:
            DataError: Not a uint8 batch of RGB images, or images that are too small for the network.
        """
        check_images(target, "the ground truth")
        if min(target.shape[1:3]) < _SMALLEST[self.net]:
            raise DataError(
                f"images of {target.shape[1]} x {target.shape[2]} are too small for LPIPS ({self.net}), "
                f"which needs {_SMALLEST[self.net]} pixels on each side; bring them to the working size first"
            )
        return LpipsTarget(target.shape, tuple(self._unit_features(batch) for batch in self._batches(target)))

    def score(self, preds: Images, target: Images | LpipsTarget) -> Scores:
        """LPIPS of each sample.

        Args:
            preds: Restored images, uint8 [B, H, W, 3].
            target: Ground truth of the same shape, or its `LpipsTarget`.

        Returns:
            float64 [B], at least 0; below 1 for all but extreme images.

        Raises:
            DataError: Wrong type or shape, or too small for the network.
        """
        prepared = target if isinstance(target, LpipsTarget) else self.prepare(target)
        check_images(preds, "the restored images")
        if preds.shape != prepared.shape:
            raise DataError(
                f"restored images {list(preds.shape)} and ground truth {list(prepared.shape)} differ in "
                "shape; bring both to the working size first"
            )
        parts = [self._distances(*pair) for pair in zip(self._batches(preds), prepared.batches, strict=True)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _batches(self, images: Images) -> Iterator[Images]:
        for start in range(0, len(images), self._batch):
            yield images[start : start + self._batch]

    def _features(self, images: Images) -> list[Tensor]:
        """Features of each layer, float32 [batch x H x W, C]: one row per position."""
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).permute(0, 3, 1, 2)
        # A permuted view has its channels last in memory, and so has everything that is computed from it.
        scaled = torch.addcmul(self._offset, pixels.float(), self._gain)
        return [layer.permute(0, 2, 3, 1).flatten(0, 2) for layer in self._backbone(scaled)]

    @torch.inference_mode()
    @whole_fp32()
    def _unit_features(self, images: Images) -> tuple[Tensor, ...]:
        return tuple(rows * _inverse_norm(rows) for rows in self._features(images))

    @torch.inference_mode()
    @whole_fp32()
    def _distances(self, images: Images, target: tuple[Tensor, ...]) -> NDArray[np.float64]:
        total = torch.zeros(len(images), dtype=torch.float64)
        for rows, unit, weights in zip(self._features(images), target, self._channel_weights, strict=True):
            differences = torch.addcmul(unit, rows, _inverse_norm(rows), value=-1.0).square_()
            total += (differences @ weights).view(len(images), -1).mean(dim=1).cpu()
        return total.numpy()


def _inverse_norm(rows: Tensor) -> Tensor:
    """One over the length of each row, [N, 1]."""
    norm: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return norm.add_(_EPSILON).reciprocal_()


def _keep_freed_memory() -> None:
    """Let glibc's allocator keep what a batch frees for the next one.

    It gives blocks above a threshold back to the system, whose fresh pages cost a third of the time here, and
    raises that threshold to the largest such block freed so far, 32 MB at most. This one is never touched, so
    it takes no memory; with other allocators it does nothing.
    """
    torch.empty(_BLOCK, dtype=torch.uint8)


def _load(net: LpipsNet) -> Any:
    with warnings.catch_warnings():
        # torchvision deprecates how the package asks for weights, which users cannot change.
        warnings.simplefilter("ignore")
        from lpips import LPIPS

        return LPIPS(net=net, version=CURRENT.lpips_version, verbose=False).eval()
