"""Train the rectifying reader's three networks on rendered plates: `mdlp-bench train reader`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn

from mdlp_bench.files import seed_for
from mdlp_bench.frozen import Frozen
from mdlp_bench.images import ImageU8
from mdlp_bench.output_folder import locked_folder
from mdlp_bench.readers.crnn.ctc_reader import DECODINGS
from mdlp_bench.readers.crnn.network import CRNN, standardise
from mdlp_bench.readers.ctc import greedy, softmax
from mdlp_bench.readers.rectifying.networks import (
    CornerNetwork,
    RectifyingConfig,
    RectifyingNetwork,
    RegionNetwork,
)
from mdlp_bench.readers.rectifying.reader import RectifyingReader, corner_view, line_view, region_view
from mdlp_bench.readers.rectifying.weights import save_rectifying
from mdlp_bench.training.calibration import PLATES, calibrate, fit_temperature, likeliest_temperature
from mdlp_bench.training.checkpoint import claim
from mdlp_bench.training.plate_shots import Shot, displaced, take_shot
from mdlp_bench.training.reader import ctc_loss, guide
from mdlp_bench.training.reader_data import Pool, render_faces
from mdlp_bench.training.reader_loop import N, Report, Schedule, Trial

Part = Literal["corners", "line", "region"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)

_HELD_OUT_STREAM: Final = 1_000_003
_CHUNK: Final = 50
# Where Huber's loss of corners turns from squares to absolute values: two hundredths of a crop.
_BETA: Final = 0.02
# Scales the loss of corners to the others'.
_CORNER_WEIGHT: Final = 20
_SMOOTHING: Final = 0.02
_IGNORED: Final = -100  # PyTorch's cross-entropy leaves these out


class RectifyingTraining(Frozen):
    """Everything that decides a training run; stored beside its weights.

    Attributes:
        network: Says that this is a training of the rectifying reader.
        seed: Seed of the faces, the shots and the initial weights.
        faces: Rendered faces.
        held_out: Shots of as many further faces, for the log's figures and the temperatures.
        calibration: Plates by which the finished reader's confidences are calibrated.
        empty: Share of shots without a text, of which the corners' network sees none.
        guided: Steps in which the line's columns at the characters' nominal places are told their character.
        reader: What is trained, before its temperatures and thresholds are known.
        corners: Schedule of the network that finds the corners.
        line: Schedule of the CRNN; it sees plates between their true corners, displaced a little.
        region: Schedule of the network that looks at the region's sign, of the same plates.
    """

    network: Literal["rectifying"]
    seed: int = 1
    faces: int = Field(default=60_000, gt=0)
    held_out: int = Field(default=1_000, ge=20)
    calibration: int = Field(default=PLATES, gt=0)
    empty: float = Field(default=0.13, ge=0, le=0.5)
    guided: int = Field(default=1_500, ge=0)
    reader: RectifyingConfig = RectifyingConfig()
    corners: Schedule = Schedule(
        steps=8_000, batch=64, warmup=200, decay=5_000, average=0.999, checkpoint_every=500
    )
    line: Schedule = Schedule(steps=16_000, warmup=200, decay=10_000, average=0.999, checkpoint_every=500)
    region: Schedule = Schedule(
        steps=12_000,
        batch=64,
        learning_rate=1.5e-3,
        warmup=200,
        decay=8_000,
        weight_decay=1e-2,
        average=0.999,
        checkpoint_every=500,
    )


def train_rectifying(
    training: RectifyingTraining, out: Path, report: Report | None = None, *, device: str = "cpu"
) -> Path:
    """Train the three networks one after the other and write `rectifying.safetensors` into `out`.

    Each has its folder with its checkpoint and log; convolutions are computed in bfloat16. A killed run goes
    on from its last checkpoint, and ends with the same weights as an uninterrupted one on the same machine,
    device and number of threads.

    Args:
        training: The run.
        out: Its folder.
        report: Called with every log line.
        device: `cpu`, `mps`, `cuda` or `cuda:N`. Plates are drawn on the CPU, and the finished reader is
            calibrated there.

    Returns:
        The weight file.

    Raises:
        DataError: `out` holds another training, or a damaged checkpoint.
    """
    with locked_folder(out):
        claim(out, training.model_dump(mode="json"))
        network = RectifyingNetwork(training.reader)
        for part in PARTS:
            trained = train_part(training, part, out, report, device=device)
            network.get_submodule(part).load_state_dict(trained.state_dict())
        shots = _held_out(training, out / "pool", moved=False)
        weights = out / "rectifying.safetensors"
        _calibrated(training, network.eval(), shots, out / "pool", weights)
        return weights


def train_part(
    training: RectifyingTraining, part: Part, out: Path, report: Report | None = None, *, device: str = "cpu"
) -> nn.Module:
    """Train one of the networks in its folder `out/PART`, or read it from there (see `train_rectifying`).

    Parts do not depend on each other: several processes can train one each.

    Returns:
        The averaged network, on the CPU in evaluation mode.
    """
    folder = out / part
    with locked_folder(folder):
        claim(folder, training.model_dump(mode="json"))
        faces = render_faces(out / "pool", training.seed, training.faces)
        held_out = _held_out(training, out / "pool", moved=part != "corners")
        trial = _trial(training, part, faces, device)
        told = report and (lambda line: report({"network": part, **line}))
        trial.run(folder, lambda: trial.measure(held_out), told)
    averaged: nn.Module = trial.averaged.cpu()
    return averaged


def _held_out(training: RectifyingTraining, pool: Path, *, moved: bool) -> list[Shot]:
    """Shots of faces that no training sees; as many as there are of these."""
    seed = training.seed + _HELD_OUT_STREAM
    faces = render_faces(pool, seed, training.held_out)
    return [_shot(faces, training.empty, "held-out", seed, place, moved=moved) for place in range(len(faces))]


class _PartTrial(Trial[N]):
    """A run of one network over shots of the faces."""

    def __init__(
        self, make: Callable[[], N], training: RectifyingTraining, part: Part, faces: Pool, device: str
    ) -> None:
        super().__init__(make, getattr(training, part), training.seed, part, device)
        self.training, self.part, self.faces = training, part, faces
        _in_half(self.network.get_submodule("convolutions"))

    @abstractmethod
    def measure(self, shots: Sequence[Shot]) -> dict[str, float]:
        """Figures of the averaged network on held-out shots."""

    def shots(self, empty: float, *, moved: bool) -> list[Shot]:
        """Those of batch number `step`; `moved`: with corners as a network finds them."""
        first = self.step * self.schedule.batch
        return [
            _shot(self.faces, empty, self.part, self.training.seed, place, moved=moved)
            for place in range(first, first + self.schedule.batch)
        ]


class _CornerTrial(_PartTrial[CornerNetwork]):
    def batch_loss(self) -> Tensor:
        shots = self.shots(0, moved=False)
        found = self.network(_standardised([corner_view(shot.image) for shot in shots], self.device))
        corners = torch.from_numpy(np.stack([shot.corners for shot in shots])).to(self.device)
        return _CORNER_WEIGHT * nn.functional.smooth_l1_loss(found, corners, beta=_BETA)

    def measure(self, shots: Sequence[Shot]) -> dict[str, float]:
        plates = [shot for shot in shots if shot.text]
        found = _computed(self.averaged, [corner_view(shot.image) for shot in plates])
        across, down = np.abs(found - np.stack([shot.corners for shot in plates])).mean(axis=(0, 1))
        return {"error_x": round(float(across), 5), "error_y": round(float(down), 5)}


class _LineTrial(_PartTrial[CRNN]):
    def batch_loss(self) -> Tensor:
        shots, alphabet = self.shots(self.training.empty, moved=True), self.network.config.alphabet
        logits = self.network(_standardised(self._views(shots), self.device))
        texts = [shot.text for shot in shots]
        loss = ctc_loss(logits, texts, alphabet)
        return loss + guide(logits, texts, alphabet) if self.step < self.training.guided else loss

    def measure(self, shots: Sequence[Shot]) -> dict[str, float]:
        alphabet = self.averaged.config.alphabet
        found = [greedy(softmax(row))[0] for row in _computed(self.averaged, self._views(shots))]
        texts = ["".join(alphabet[i - 1] for i in row) for row in found]
        plates = [(text, shot.text) for text, shot in zip(texts, shots, strict=True) if shot.text]
        empty = [text == "" for text, shot in zip(texts, shots, strict=True) if not shot.text]
        return {
            "exact": _share([text == truth for text, truth in plates]),
            "region": _share([text[:1] == truth[:1] for text, truth in plates]),
            "rest": _share([text[1:] == truth[1:] for text, truth in plates]),
            "empty": _share(empty),
        }

    def _views(self, shots: Sequence[Shot]) -> list[ImageU8]:
        return [line_view(shot.image, shot.corners, self.training.reader) for shot in shots]


class _RegionTrial(_PartTrial[RegionNetwork]):
    def batch_loss(self) -> Tensor:
        shots = self.shots(self.training.empty, moved=True)
        patches = [region_view(shot.image, shot.corners) for shot in shots]
        logits = self.network(_standardised(patches, self.device))
        labels = _region_labels(shots, self.training.reader.regions).to(self.device)
        total = nn.functional.cross_entropy(logits, labels, label_smoothing=_SMOOTHING, reduction="sum")
        return total / (labels != _IGNORED).sum().clamp(min=1)

    def measure(self, shots: Sequence[Shot]) -> dict[str, float]:
        labels = _region_labels(shots, self.training.reader.regions).numpy()
        found = _computed(self.averaged, [region_view(shot.image, shot.corners) for shot in shots]).argmax(-1)
        right = found == labels
        return {"region": _share(right[labels > 0].tolist()), "empty": _share(right[labels == 0].tolist())}


def _trial(training: RectifyingTraining, part: Part, faces: Pool, device: str) -> _PartTrial[Any]:
    if part == "corners":
        return _CornerTrial(CornerNetwork, training, part, faces, device)
    if part == "line":
        return _LineTrial(partial(CRNN, training.reader.line), training, part, faces, device)
    regions = len(training.reader.regions)
    return _RegionTrial(partial(RegionNetwork, regions), training, part, faces, device)


def _shot(faces: Pool, empty: float, *stream: str | int, moved: bool) -> Shot:
    """One shot of a stream; the corners of a plate are displaced if `moved`."""
    rng = np.random.default_rng(seed_for("shot", *stream))
    shot = take_shot(faces, rng, empty)
    return shot._replace(corners=displaced(shot.corners, rng)) if moved and shot.text else shot


def _in_half(module: nn.Module) -> None:
    """Compute a module in bfloat16, which halves its time; weights, and all around it, stay in float32."""
    whole = module.forward

    def forward(images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            found: Tensor = whole(images)
        return found.float()

    module.forward = forward


def _region_labels(shots: Sequence[Shot], regions: str) -> Tensor:
    """Class of each shot's region: 0 where nothing can be read, -100 (ignored) for other first signs."""
    signs = [shot.text[:1] for shot in shots]
    return torch.tensor([0 if not sign else regions.find(sign) + 1 or _IGNORED for sign in signs])


def _standardised(images: Sequence[ImageU8], device: torch.device) -> Tensor:
    return standardise(torch.from_numpy(np.stack(images)).to(device))


@torch.inference_mode()
def _computed(network: nn.Module, images: Sequence[ImageU8]) -> npt.NDArray[np.float32]:
    """What a network says of images of its input's size."""
    device = next(network.parameters()).device
    chunks = [images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK)]
    found = [network(_standardised(chunk, device)).float().cpu().numpy() for chunk in chunks]
    return np.concatenate(found)


def _share(hits: Sequence[bool]) -> float:
    return round(float(np.mean(hits)), 5) if hits else float("nan")


def _calibrated(
    training: RectifyingTraining, network: RectifyingNetwork, shots: Sequence[Shot], pool: Path, weights: Path
) -> None:
    """Fit the temperatures on held-out shots between the corners that are found, then the thresholds."""
    plates, reader = [shot for shot in shots if shot.text], training.reader
    images, texts = [shot.image for shot in plates], tuple(shot.text for shot in plates)
    corners = _computed(network.corners, [corner_view(image) for image in images])
    found = list(zip(images, corners, strict=True))
    line = _computed(network.line, [line_view(image, four, reader) for image, four in found])
    region = _computed(network.region, [region_view(image, four) for image, four in found])[:, 1:]
    classes = _region_labels(plates, reader.regions).numpy()
    known = classes > 0
    settings = reader.model_copy(
        update={
            "line": reader.line.model_copy(
                update={"temperature": fit_temperature(line, texts, reader.line.alphabet)}
            ),
            "region_temperature": likeliest_temperature(region[known], classes[known] - 1),
        }
    )
    save_rectifying(network, settings, weights)
    believed = {
        decoding: calibrate(
            RectifyingReader(weights, decoding), pool, plates=training.calibration
        ).believed_from
        for decoding in DECODINGS
    }
    line_settings = settings.line.model_copy(update={"believed_from": believed})
    save_rectifying(network, settings.model_copy(update={"line": line_settings}), weights)
