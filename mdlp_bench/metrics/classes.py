"""The protocol's metrics as torchmetrics classes: `update` in a loop, `compute` the mean, `reset`.

They give the numbers of the harness's tables, add up over processes (DDP) and have no gradient. Images and
`data_range` are as for the functions of `mdlp_bench.metrics.functional`. Readers are what `mb.load_reader`
returned, or names for it; then they compute where the metric is. Samples without a text (`""` in
`Samples.torch`) are left out of text metrics; leave samples without ground truth out of image metrics with
`has_gt`.

    psnr, ned = PSNR(data_range=(0, 1)), NED("crnn-3", data_range=(0, 1))
    for batch in loader:
        restored = network(batch["frames"].float() / 255)
        psnr.update(restored, batch["gt"])          # uint8
        ned.update(restored, batch["text"])         # or texts that were read elsewhere
    psnr.compute(), ned.compute()
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mdlp_bench.errors import DataError, MissingDependencyError, ReaderError
from mdlp_bench.metrics import functional
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.distribution import FEWEST_SAMPLES, frechet_distance, kernel_distance
from mdlp_bench.metrics.functional import Range, black_and_white, to_uint8
from mdlp_bench.metrics.protocol import CURRENT, LpipsNet, checked_net, to_working_size
from mdlp_bench.metrics.text import plain_texts, text_scores

try:
    from torchmetrics import Metric
except ImportError as error:
    raise MissingDependencyError(
        "metric classes need torchmetrics: pip install 'mdlp-bench[torchmetrics]'"
    ) from error

if TYPE_CHECKING:
    Crops = Sequence[npt.NDArray[np.uint8]]

    class Reads(Protocol):
        """The part of a reader (`mb.load_reader`) that these classes use."""

        def read(self, images: Crops) -> Sequence[Any]:
            """Readings, with the attribute `text`."""

        def features(self, images: Crops) -> npt.NDArray[np.float32] | None:
            """Features, float32 [B, D]."""


class _Reads:
    """A reader that was given, or the one of a name, which computes where its metric is.

    Copies of a metric share it.

    Raises:
        ReaderError: There is no such reader, or it is not one.
    """

    def __init__(self, reader: Reads | str) -> None:
        self._given = reader
        if isinstance(reader, str):
            # Readers live in a room above this one; the package offers them to everybody.
            import mdlp_bench

            reader = mdlp_bench.load_reader(reader)
        elif not (hasattr(reader, "read") and hasattr(reader, "features")):
            raise ReaderError(
                f"a {type(reader).__name__} is no reader; give a reader's name or mb.load_reader(...)"
            )
        self._reader: Any = reader

    def on(self, device: torch.device) -> Reads:
        """The reader, moved to a device if it was given by its name."""
        found: Reads = self._reader.to(str(device)) if isinstance(self._given, str) else self._reader
        return found

    def __deepcopy__(self, _: object) -> _Reads:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _Reads, (self._given,)


class _Mean(Metric):  # type: ignore[misc, unused-ignore]
    """The mean of a score over samples, NaN before the first; sums add up over processes."""

    name: ClassVar[str]
    _score: ClassVar[Callable[..., npt.NDArray[np.float64]]]
    full_state_update = False
    is_differentiable = False
    total: Tensor
    count: Tensor

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" in vars(cls):
            cls.higher_is_better = METRICS[cls.name].higher_is_better

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def compute(self) -> Tensor:
        """The mean, a scalar tensor."""
        return self.total / self.count

    def _add(self, scores: npt.NDArray[np.float64]) -> None:
        self.total += float(scores.sum())
        self.count += len(scores)


class _ImageMean(_Mean):
    """The mean of an image score.

    Args:
        data_range: Black and white of floating-point images, e.g. `(0, 1)`, or white alone.
        options: Those of `torchmetrics.Metric`.
    """

    def __init__(self, *, data_range: Range | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.data_range = None if data_range is None else black_and_white(data_range)

    def update(self, preds: Tensor | npt.NDArray[Any], target: Tensor | npt.NDArray[Any]) -> None:
        """Add restored images and their ground truths.

        Raises:
            DataError: As for the functions.
        """
        restored, gt = to_uint8(preds, self.data_range), to_uint8(target, self.data_range)
        if len(restored):
            self._add(self._score(restored, gt))


class PSNR(_ImageMean):
    """Mean PSNR in dB, higher is better.

    Example:
        >>> import torch, mdlp_bench as mb
        >>> metric = mb.metrics.PSNR(data_range=(0, 1))
        >>> metric.update(torch.ones(2, 3, 112, 224) / 255, torch.zeros(2, 3, 112, 224))
        >>> round(float(metric.compute()), 2)
        48.13
    """

    name = "psnr"

    _score = staticmethod(functional.psnr)


class SSIM(_ImageMean):
    """Mean SSIM, higher is better."""

    name = "ssim"

    _score = staticmethod(functional.ssim)


class AlignedPSNR(_ImageMean):
    """Mean PSNR after registration in dB, for images of 112 x 224; higher is better."""

    name = "psnr_aligned"

    _score = staticmethod(functional.psnr_aligned)


class AlignedSSIM(_ImageMean):
    """Mean SSIM after registration, for images of 112 x 224; higher is better."""

    name = "ssim_aligned"

    _score = staticmethod(functional.ssim_aligned)


class LPIPS(_ImageMean):
    """Mean LPIPS, lower is better; the network computes where the metric is (`metric.to(device)`).

    Args:
        net: `alex` (the protocol's), `squeeze` or `vgg`.
        data_range: Black and white of floating-point images, e.g. `(0, 1)`, or white alone.
        options: Those of `torchmetrics.Metric`.

    Raises:
        ProtocolError: There is no such net.
    """

    name = "lpips"

    def __init__(
        self, net: LpipsNet = CURRENT.lpips_net, *, data_range: Range | None = None, **options: Any
    ) -> None:
        super().__init__(data_range=data_range, **options)
        self.net = checked_net(net)

    def _score(self, preds: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        return functional.lpips(preds, target, net=self.net, device=str(self.device))


class _TextMean(_Mean):
    """The mean of a text score.

    Args:
        reader: Reads images that `update` is given, or its name; not needed for texts.
        data_range: Black and white of floating-point images, e.g. `(0, 1)`, or white alone.
        options: Those of `torchmetrics.Metric`.
    """

    def __init__(
        self, reader: Reads | str | None = None, *, data_range: Range | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._reads = None if reader is None else _Reads(reader)
        self.data_range = None if data_range is None else black_and_white(data_range)

    def update(
        self, preds: Sequence[object] | Tensor | npt.NDArray[Any], target: Sequence[str | None]
    ) -> None:
        """Add readings (texts or `Reading`s), or a batch of images to be read, and true texts.

        Samples whose true text is empty or None are left out.

        Raises:
            DataError: The numbers differ, there are images and no reader, or a single text stands where a
                list of texts belongs.
        """
        are_images = isinstance(preds, Tensor) or (
            isinstance(preds, np.ndarray) and preds.dtype.kind not in "UO"
        )
        given: Any = preds if are_images else plain_texts(preds, "readings")
        true = plain_texts(target if isinstance(target, str) else (t or "" for t in target), "true texts")
        if len(given) != len(true):
            raise DataError(f"{len(given)} readings or images for {len(true)} texts")
        known = [index for index, text in enumerate(true) if text]
        if not known:
            return
        texts = self._read(given) if are_images else given
        self._add(self._score([texts[index] for index in known], [true[index] for index in known]))

    def _read(self, images: Any) -> list[str]:
        if self._reads is None:
            raise DataError(f'{type(self).__name__} was given images: give it a reader, e.g. "crnn-3"')
        crops = [to_working_size(image) for image in to_uint8(images, self.data_range)]
        return [reading.text for reading in self._reads.on(self.device).read(crops)]


class NED(_TextMean):
    """Mean normalised edit distance, lower is better.

    Example:
        >>> import mdlp_bench as mb
        >>> metric = mb.metrics.NED()
        >>> metric.update(["京P20S76", "沪A"], ["京P20S75", ""])
        >>> round(float(metric.compute()), 3)
        0.143
    """

    name = "ned"
    _score = staticmethod(functional.ned)


class Accuracy(_TextMean):
    """Share of plates read without error, higher is better."""

    name = "acc"
    _score = staticmethod(functional.accuracy)


class CER(_TextMean):
    """Mean character error rate, lower is better; as in the protocol a reading has at most 2."""

    name = "cer"

    @staticmethod
    def _score(preds: Sequence[str], target: Sequence[str]) -> npt.NDArray[np.float64]:
        return text_scores(preds, target, CURRENT.text.cer_cap)["cer"]


class _Distance(Metric):  # type: ignore[misc, unused-ignore]
    """A distance between the features of restored images and of ground truths; features are kept.

    Args:
        data_range: Black and white of floating-point images, e.g. `(0, 1)`, or white alone.
        options: Those of `torchmetrics.Metric`.
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = False
    preds: list[Tensor]
    target: list[Tensor]
    _distance: ClassVar[Callable[..., float]]

    def __init__(self, *, data_range: Range | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.data_range = None if data_range is None else black_and_white(data_range)
        self.add_state("preds", [], dist_reduce_fx="cat")
        self.add_state("target", [], dist_reduce_fx="cat")

    @abstractmethod
    def _features(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]: ...

    def update(self, preds: Tensor | npt.NDArray[Any], target: Tensor | npt.NDArray[Any]) -> None:
        """Add restored images and ground truths; errors as for image metrics."""
        for state, images in ((self.preds, preds), (self.target, target)):
            pixels = to_uint8(images, self.data_range)
            found = self._features(pixels) if len(pixels) else None
            if found is not None:
                state.append(torch.as_tensor(found, device=self.device))

    def compute(self) -> Tensor:
        """The distance, a scalar tensor; NaN for fewer than 8 samples."""
        # After a synchronisation the states are single tensors.
        sets = [
            np.asarray(torch.cat(list(s) if isinstance(s, list) else [s]).cpu())
            if len(s)
            else np.empty((0, 1))
            for s in (self.preds, self.target)
        ]
        if min(map(len, sets)) < FEWEST_SAMPLES:
            return torch.tensor(float("nan"))
        return torch.tensor(type(self)._distance(*sets), dtype=torch.float64)


class _ReaderDistance(_Distance):
    def __init__(self, reader: Reads | str, *, data_range: Range | None = None, **options: Any) -> None:
        super().__init__(data_range=data_range, **options)
        self._reads = _Reads(reader)

    def _features(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        found = self._reads.on(self.device).features([to_working_size(image) for image in images])
        if found is None:
            raise DataError("the reader gives no features; use another one, e.g. crnn")
        return found


class _InceptionDistance(_Distance):
    _network: Any = None

    def _features(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        from mdlp_bench.metrics.inception import InceptionFeatures

        if self._network is None or self._network.device != self.device:
            self._network = InceptionFeatures(self.device)
        return np.asarray(self._network(np.stack([to_working_size(image) for image in images])))


def _kernel(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    return kernel_distance(a, b).value


class FRD(_ReaderDistance):
    """Fréchet distance of a reader's features, lower is better."""

    _distance = staticmethod(frechet_distance)


class KRD(_ReaderDistance):
    """Kernel distance of a reader's features, lower is better."""

    _distance = staticmethod(_kernel)


class FID(_InceptionDistance):
    """Fréchet distance of Inception's features, lower is better."""

    _distance = staticmethod(frechet_distance)


class KID(_InceptionDistance):
    """Kernel distance of Inception's features, lower is better."""

    _distance = staticmethod(_kernel)
