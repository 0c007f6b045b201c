"""Image scorers: prepare the ground truth of a chunk once, score every method against it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from mdlp_bench.metrics import fidelity, registered
from mdlp_bench.metrics.base import UserMetric
from mdlp_bench.metrics.protocol import CURRENT, RegistrationRules, checked_net

if TYPE_CHECKING:
    from mdlp_bench.metrics.perceptual import LpipsTarget

Images = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float64]
Prepared = TypeVar("Prepared")


class SetFeatures(Protocol):
    """Makes features whose distributions are compared, such as `metrics.inception.InceptionFeatures`.

    Attributes:
        weights_sha256: Of its weight file.
    """

    weights_sha256: str

    def __call__(self, images: Images) -> npt.NDArray[np.float32]:
        """Features float32 [B, D] of images uint8 [B, 112, 224, 3]."""


class ImageScorer(ABC, Generic[Prepared]):
    """Turns restored images and their ground truth into per-sample values.

    Attributes:
        metrics: Names of the columns (of `metrics.base.METRICS`).
        weights: SHA-256 of the weight files it uses, by their names.
    """

    metrics: tuple[str, ...]
    weights: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def prepare(self, gt: Images) -> Prepared:
        """Compute once what all methods need of ground truths uint8 [B, 112, 224, 3]."""

    @abstractmethod
    def score(self, restored: Images, gt: Images, prepared: Prepared) -> Mapping[str, Scores]:
        """Columns float64 [B] for restored images and their ground truths, each uint8 [B, 112, 224, 3]."""


class FidelityScorer(ImageScorer[fidelity.SsimTarget]):
    """PSNR and SSIM."""

    metrics = ("psnr", "ssim")

    def prepare(self, gt: Images) -> fidelity.SsimTarget:
        """Local means and variances for SSIM."""
        return fidelity.SsimTarget.of(gt)

    def score(self, restored: Images, gt: Images, prepared: fidelity.SsimTarget) -> Mapping[str, Scores]:
        """See `ImageScorer.score`."""
        return {"psnr": fidelity.psnr(restored, gt), "ssim": fidelity.ssim(restored, prepared)}


class RegisteredScorer(ImageScorer[None]):
    """PSNR and SSIM after registration to the ground truth, and whether registration succeeded."""

    metrics = ("psnr_aligned", "ssim_aligned", "registered")

    def __init__(self, rules: RegistrationRules | None = CURRENT.registration) -> None:
        self.rules = rules

    def prepare(self, gt: Images) -> None:
        """Nothing is shared between methods."""

    def score(self, restored: Images, gt: Images, prepared: None) -> Mapping[str, Scores]:
        """See `ImageScorer.score`."""
        found = registered.aligned_scores(restored, gt, self.rules)
        return {
            "psnr_aligned": found.psnr,
            "ssim_aligned": found.ssim,
            "registered": found.registered.astype(float),
        }


class UserScorer(ImageScorer[None]):
    """A user's own metric."""

    def __init__(self, metric: UserMetric) -> None:
        self.metric = metric
        self.metrics = (metric.info.name,)
        self.weights = {f"metric {metric.info.name}": metric.sha256}

    def prepare(self, gt: Images) -> None:
        """Nothing is shared between methods."""

    def score(self, restored: Images, gt: Images, prepared: None) -> Mapping[str, Scores]:
        """See `ImageScorer.score`."""
        return {self.metric.info.name: self.metric(restored, gt)}


class LpipsScorer(ImageScorer["LpipsTarget"]):
    """LPIPS with one net, in a column of its own."""

    def __init__(self, net: str, device: str = "cpu") -> None:
        """Load the net onto a device.

        Raises:
            ProtocolError: There is no such net.
            MissingWeightsError: Its weights are not at hand.
        """
        from mdlp_bench.metrics.perceptual import Lpips

        self._lpips = Lpips(checked_net(net), device)
        self.metrics = (self._lpips.name,)
        self.weights = {
            f"{self._lpips.name} backbone": self._lpips.backbone_sha256,
            f"{self._lpips.name} linear": self._lpips.linear_sha256,
        }

    def prepare(self, gt: Images) -> LpipsTarget:
        """Features of the ground truths."""
        return self._lpips.prepare(gt)

    def score(self, restored: Images, gt: Images, prepared: LpipsTarget) -> Mapping[str, Scores]:
        """See `ImageScorer.score`."""
        return {self._lpips.name: self._lpips.score(restored, prepared)}
