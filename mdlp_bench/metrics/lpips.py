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

from mdlp_bench.errors import DataError
from mdlp_bench.files import sha256_bytes
from mdlp_bench.metrics.fidelity import Images, Scores, check_images
from mdlp_bench.metrics.protocol import MDLP_V1, LpipsNet
from mdlp_bench.metrics.weights import BACKBONES, backbone_file, damaged

_BATCH: Final = 16
# Keeps the square root of the norm away from zero exactly as the package does.
_EPSILON: Final = 1e-10


@dataclass(frozen=True, slots=True)
class LpipsTarget:
    """Features of ground truths, computed once and reused for every method.

    A sample of the working size takes about 0.9 MB (alex), 3.2 MB (squeeze) or 12 MB (vgg): build one per
    batch of ground truths and score all methods against it, rather than one for a whole data set.

    Attributes:
        shape: Of the images, [B, H, W, 3].
        layers: For each layer its weighted unit features, float32 [B, C, H, W].
    """

    shape: tuple[int, ...]
    layers: tuple[Tensor, ...]


class Lpips:
    """Learned perceptual image patch similarity, version 0.1; lower is better.

    Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018, eq. 1:
    squared differences of unit-normalised features, weighted a channel, averaged over positions, summed over
    layers. With the square roots of the weights folded into the features it is a squared distance of vectors.

    Attributes:
        net: The backbone.
        name: The metric's name in `base.METRICS`: `lpips` for alex, else `lpips_<net>`.
        backbone_sha256: Of the backbone's weight file.
        linear_sha256: Of the package's file with the weights of the channels.
    """

    def __init__(self, net: LpipsNet = MDLP_V1.lpips_net, device: str | torch.device = "cpu") -> None:
        """Load the network.

        Args:
            net: Backbone; `alex` is the protocol's.
            device: Where to compute.

        Raises:
            MissingWeightsError: The backbone's weights are not in torch hub's cache and cannot be downloaded.
        """
        path, self.backbone_sha256 = backbone_file(BACKBONES[net])
        linear = resources.files("lpips").joinpath("weights", f"v{MDLP_V1.lpips_version}", f"{net}.pth")
        self.linear_sha256 = sha256_bytes(linear.read_bytes())
        self.net: LpipsNet = net
        self.name = "lpips" if net == "alex" else f"lpips_{net}"
        self.device = torch.device(device)
        try:
            model = _load(net)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise damaged(path, error) from error
        self._scaling: Any = model.scaling_layer.to(self.device)
        self._backbone: Any = model.net.to(self.device, memory_format=torch.channels_last)
        self._roots = [layer.model[-1].weight.detach().sqrt().to(self.device) for layer in model.lins]

    def prepare(self, target: Images) -> LpipsTarget:
        """Compute the features of ground truths, uint8 [B, H, W, 3].

        Raises:
            DataError: Not a uint8 batch of RGB images.
        """
        check_images(target, "the ground truth")
        batches = [self._features(batch) for batch in _batches(target)]
        layers = [torch.cat(parts) for parts in zip(*batches, strict=True)] if batches else []
        return LpipsTarget(target.shape, tuple(layers))

    def score(self, preds: Images, target: Images | LpipsTarget) -> Scores:
        """LPIPS of each sample.

        Args:
            preds: Restored images, uint8 [B, H, W, 3].
            target: Ground truth of the same shape, or its `LpipsTarget`.

        Returns:
            float64 [B], at least 0; below 1 for all but extreme images.

        Raises:
            DataError: Wrong type or shape.
        """
        prepared = target if isinstance(target, LpipsTarget) else self.prepare(target)
        check_images(preds, "the restored images")
        if preds.shape != prepared.shape:
            raise DataError(
                f"restored images {list(preds.shape)} and ground truth {list(prepared.shape)} differ in "
                "shape; bring both to the working size first"
            )
        scores = np.empty(len(preds))
        done = 0
        for batch in _batches(preds):
            chosen = slice(done, done + len(batch))
            scores[chosen] = self._distance(
                self._features(batch), [layer[chosen] for layer in prepared.layers]
            )
            done += len(batch)
        return scores

    @torch.inference_mode()
    def _features(self, images: Images) -> list[Tensor]:
        """Unit features times the roots of their weights, over the root of the number of positions."""
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).permute(0, 3, 1, 2)
        scaled = self._scaling(pixels.float().div_(127.5).sub_(1.0))
        layers = self._backbone(scaled.contiguous(memory_format=torch.channels_last))
        return [_weighted(layer, root) for layer, root in zip(layers, self._roots, strict=True)]

    @torch.inference_mode()
    def _distance(self, preds: list[Tensor], target: list[Tensor]) -> NDArray[np.float64]:
        total = torch.zeros(len(preds[0]), dtype=torch.float64, device=self.device)
        for a, b in zip(preds, target, strict=True):
            total += (a - b).square_().sum(dim=(1, 2, 3))
        return total.cpu().numpy()


def lpips(preds: Images, target: Images, net: LpipsNet = MDLP_V1.lpips_net) -> Scores:
    """LPIPS of each sample, float64 [B]; use `Lpips` to keep the network and the ground truth between calls.

    Raises:
        DataError: Wrong type or shape.
        MissingWeightsError: The backbone's weights are not at hand and cannot be downloaded.
    """
    return Lpips(net).score(preds, target)


def _weighted(features: Tensor, root: Tensor) -> Tensor:
    norm = features.square().sum(dim=1, keepdim=True).sqrt_().add_(_EPSILON)
    norm.mul_((features.shape[2] * features.shape[3]) ** 0.5)
    return features.div(norm).mul_(root)


def _batches(images: Images) -> Iterator[Images]:
    for start in range(0, len(images), _BATCH):
        yield images[start : start + _BATCH]


def _load(net: LpipsNet) -> Any:
    with warnings.catch_warnings():
        # torchvision deprecates the way in which the package asks for weights; nothing a user could change.
        warnings.simplefilter("ignore")
        from lpips import LPIPS

        return LPIPS(net=net, version=MDLP_V1.lpips_version, verbose=False).eval()
