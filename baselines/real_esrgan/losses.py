"""The losses Real-ESRGAN is trained with: L1, perceptual and vanilla GAN, on a sharpened ground truth.

Wang et al., "Real-ESRGAN", 2021 (arXiv 2107.10833), section 4.1 and the released training options. The
generator's loss is 1 L1 + 1 perceptual + 0.1 GAN; L1 and perceptual compare with the sharpened ground truth,
the discriminator sees the ground truth as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from mdlp_bench.errors import MethodError, MissingWeightsError
from mdlp_bench.frozen import Frozen
from mdlp_bench.methods.weights import load_exactly, read_state_dict

Features = Mapping[str, Tensor]
FeatureExtractor = Callable[[Tensor], Features]

# SqueezeNet 1.1: the last layer before each pooling and the deepest one (indices are torchvision's), weighted
# as the released options weight VGG19's: 0.1 for conv1_2 and conv2_2, 1 for the deeper ones.
SQUEEZENET_TAPS = {"relu1": 1, "fire3": 4, "fire5": 7, "fire9": 12}
SQUEEZENET_WEIGHTS = {"relu1": 0.1, "fire3": 0.1, "fire5": 1.0, "fire9": 1.0}

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_SQUEEZENET_FILE = "squeezenet1_1-b8a52dc0.pth"


class LossWeights(Frozen):
    """Weights of the generator's loss terms; defaults are the released options."""

    l1: float = Field(default=1.0, ge=0)
    perceptual: float = Field(default=1.0, ge=0)
    gan: float = Field(default=0.1, ge=0)


def usm_sharpen(image: Tensor, weight: float = 0.5, radius: int = 50, threshold: float = 10.0) -> Tensor:
    """Sharpen by unsharp masking where the image differs visibly from its blur.

    With b = G * x (Gaussian of `radius` + 1 taps), m = [255 |x - b| > threshold] and
    s = clip(x + weight (x - b)): (G * m) s + (1 - G * m) x.

    Args:
        image: [B, C, H, W], values 0..1.
        weight: Strength.
        radius: Blur radius; an even one is raised to the next odd kernel size, as released.
        threshold: Smallest difference that is sharpened, in 8-bit grey levels.

    Returns:
        [B, C, H, W], values 0..1.

    Raises:
        MethodError: The image is smaller than half the kernel.
    """
    taps = radius + 1 if radius % 2 == 0 else radius
    if min(image.shape[-2:]) <= taps // 2:
        raise MethodError(f"sharpening: image {list(image.shape)} is too small for a kernel of {taps}")
    blur = _gaussian_blur(image, taps)
    mask = ((image - blur).abs() * 255 > threshold).to(image)
    soft_mask = _gaussian_blur(mask, taps)
    sharp = (image + weight * (image - blur)).clamp(0, 1)
    return soft_mask * sharp + (1 - soft_mask) * image


def _gaussian_blur(image: Tensor, taps: int) -> Tensor:
    # OpenCV's rule for the width of a Gaussian of a given number of taps.
    sigma = 0.3 * ((taps - 1) * 0.5 - 1) + 0.8
    positions = torch.arange(taps, dtype=torch.float64) - taps // 2
    kernel = torch.exp(-(positions**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).to(image)
    channels = image.shape[1]
    half = taps // 2
    padded = F.pad(image, (half, half, half, half), mode="reflect")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, taps), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, -1, 1).expand(channels, 1, taps, 1), groups=channels)


class LayerFeatures(nn.Module):
    """Feature extractor: named intermediate outputs of a sequential network, frozen.

    Args:
        layers: The network's feature layers, for example torchvision's `vgg19().features`.
        taps: Name to index of the layer whose output is taken.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layers: nn.Sequential, taps: Mapping[str, int]) -> None:
        super().__init__()
        self._taps = {index: name for name, index in taps.items()}
        self.layers = nn.Sequential(*list(layers)[: max(self._taps) + 1])
        for module in self.layers.modules():
            if isinstance(module, nn.ReLU):
                # In place it would overwrite the tapped output of the layer before it.
                module.inplace = False
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Features of images [B, 3, H, W] in 0..1, by name."""
        h = (image - self.mean) / self.std
        features = {}
        for index, layer in enumerate(self.layers):
            h = layer(h)
            if index in self._taps:
                features[self._taps[index]] = h
        return features


def squeezenet_features() -> LayerFeatures:
    """Features of ImageNet SqueezeNet 1.1 at `SQUEEZENET_TAPS`, from the torch hub cache.

    SqueezeNet (Iandola et al., arXiv 1602.07360) replaces VGG19 for training on a CPU.

    Raises:
        MissingWeightsError: The weights are not in the cache.
    """
    from torchvision.models import squeezenet1_1

    path = Path(torch.hub.get_dir()) / "checkpoints" / _SQUEEZENET_FILE
    if not path.is_file():
        raise MissingWeightsError(
            f"{path}: no SqueezeNet weights there; "
            f"download https://download.pytorch.org/models/{_SQUEEZENET_FILE}"
        )
    network = squeezenet1_1(weights=None)
    load_exactly(network, read_state_dict(path), str(path))
    return LayerFeatures(network.features, SQUEEZENET_TAPS)


class PerceptualLoss:
    """Weighted L1 distance between features of the restored image and of its ground truth.

    Args:
        extractor: Maps images [B, 3, H, W] in 0..1 to named features.
        weights: Layer name to weight.
    """

    def __init__(self, extractor: FeatureExtractor, weights: Mapping[str, float]) -> None:
        self._extractor = extractor
        self._weights = dict(weights)

    def __call__(self, restored: Tensor, gt: Tensor) -> Tensor:
        """Sum over layers l of w_l mean |phi_l(restored) - phi_l(gt)|; a scalar.

        Raises:
            MethodError: The extractor gives no features of a weighted layer.
        """
        with torch.no_grad():
            wanted = self._extractor(gt)
        got = self._extractor(restored)
        absent = [name for name in self._weights if name not in got]
        if absent:
            raise MethodError(f"perceptual loss: the extractor has no layer {absent[0]!r}")
        terms = [weight * F.l1_loss(got[name], wanted[name]) for name, weight in self._weights.items()]
        return torch.stack(terms).sum()


def gan_loss(logits: Tensor, *, real: bool) -> Tensor:
    """Vanilla GAN loss: cross-entropy of `logits` [B, 1, H, W] against all-real or all-fake; a scalar."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def discriminator_loss(discriminator: nn.Module, restored: Tensor, gt: Tensor) -> Tensor:
    """The loss of the discriminator: GAN loss on ground truth plus on restored images; a scalar."""
    return gan_loss(discriminator(gt), real=True) + gan_loss(discriminator(restored.detach()), real=False)


def generator_loss(
    restored: Tensor,
    gt: Tensor,
    *,
    perceptual: PerceptualLoss | None = None,
    discriminator: nn.Module | None = None,
    weights: LossWeights | None = None,
) -> dict[str, Tensor]:
    """The generator's loss terms, weighted.

    Args:
        restored: [B, 3, H, W], values about 0..1.
        gt: The ground truth, same shape, 0..1; sharpened here for L1 and perceptual.
        perceptual: None leaves the term out (the first, L1-only training stage).
        discriminator: None leaves the term out.
        weights: Weights of the terms; the released ones by default.

    Returns:
        Term name (`l1`, `perceptual`, `gan`) to scalar; their sum is minimised.
    """
    weights = weights or LossWeights()
    sharp = usm_sharpen(gt)
    terms = {"l1": weights.l1 * F.l1_loss(restored, sharp)}
    if perceptual is not None:
        terms["perceptual"] = weights.perceptual * perceptual(restored, sharp)
    if discriminator is not None:
        terms["gan"] = weights.gan * gan_loss(discriminator(restored), real=True)
    return terms
