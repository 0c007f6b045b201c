"""Train the CRNN reader, or the teacher of the reader loss, on rendered plates: `mdlp-bench train reader`."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from rapidfuzz.distance.Levenshtein import normalized_distance
from torch import Tensor, nn

from mdlp_bench.files import seed_for
from mdlp_bench.images import ImageU8
from mdlp_bench.output_folder import locked_folder
from mdlp_bench.plate import ALPHABET, CHINESE, DIGITS, LAYOUTS, Layout, grammars, parse
from mdlp_bench.readers.crnn.ctc_reader import DECODINGS
from mdlp_bench.readers.crnn.network import CRNN, INPUT_HEIGHT, CrnnConfig, standardise
from mdlp_bench.readers.crnn.reader import CrnnReader, prepare
from mdlp_bench.readers.crnn.weights import load_crnn, save_crnn
from mdlp_bench.readers.ctc import greedy, softmax
from mdlp_bench.synth.render import face_geometry
from mdlp_bench.training.calibration import PLATES, calibrate, fit_temperature
from mdlp_bench.training.checkpoint import claim
from mdlp_bench.training.reader_data import (
    LAYOUT_SHARES,
    SMALLEST,
    Deliver,
    Pool,
    empty_crop,
    film,
    photograph,
    render_pool,
    vary,
)
from mdlp_bench.training.reader_loop import Report, Schedule, Trial
from mdlp_bench.training.teacher import (
    TEACHER_SIZE,
    Teacher,
    position_labels,
    position_loss,
    position_texts,
    save_teacher,
)

_HELD_OUT_STREAM: Final = 1_000_003


class ReaderTraining(Schedule):
    """Everything that decides a training run, beside its schedule; stored beside its weights.

    Attributes:
        network: `crnn` is the reader that judges, `teacher` the reader of the reader loss.
        start: A weight file of a CRNN to start from instead of random weights.
        anchor: Weight of the divergence from what the start weights read of the same plates. It keeps what a
            long training has learnt while a short one teaches what crops without a plate are.
        seed: Seed of the pool, the order, the variations and the initial weights.
        pool: Rendered plates.
        held_out: Further plates, of another stream, for the log's figures and the temperature.
        calibration: Still further ones, by which the finished reader's confidences are calibrated.
        layouts: Shares of the layouts among the plates; their grammars decide the alphabet of a CRNN.
        photographed: Share of the crops that are as cameras deliver them (`photograph`); the others vary
            independently (`vary`). Where it is not 0 the plates have the glyphs of many makers.
        sharpened: Share of the crops that are sharpened as video cameras do (`film`).
        smallest: Height in pixels of the smallest varied plates.
        empty: Share of crops without a plate, whose text is empty.
        ramp: Steps in which the share of varied plates grows from none to all.
        guided: Steps in which the columns at the characters' nominal places are told their character. CTC
            alone spends hundreds of steps on finding out that the text runs from left to right.
        askew: As in `CrnnConfig`, for the finished reader.
        version: Version that is written into the weight file.
    """

    network: Literal["crnn", "teacher"] = "crnn"
    start: Path | None = None
    anchor: float = Field(default=0, ge=0)
    seed: int = 1
    pool: int = Field(default=60_000, gt=0)
    held_out: int = Field(default=400, gt=0)
    calibration: int = Field(default=PLATES, gt=0)
    layouts: dict[Layout, float] = Field(default_factory=lambda: dict(LAYOUT_SHARES))
    photographed: float = Field(default=0, ge=0, le=1)
    sharpened: float = Field(default=0, ge=0, le=1)
    smallest: int = Field(default=SMALLEST, ge=8, le=48)
    empty: float = Field(default=0.1, ge=0, lt=1)
    ramp: int = Field(default=800, ge=0)
    guided: int = Field(default=400, ge=0)
    askew: bool = False
    version: str = "1"

    @model_validator(mode="after")
    def _anchored(self) -> Self:
        if self.anchor and self.start is None:
            raise ValueError("an anchor needs start weights to hold on to")
        return self

    @property
    def deliver(self) -> Deliver:
        """What makes crops of the pool's images."""
        if self.sharpened or 0 < self.photographed < 1:
            return partial(film, photographed=self.photographed, sharpened=self.sharpened)
        return photograph if self.photographed else vary

    @property
    def crnn(self) -> CrnnConfig:
        """The CRNN that reads the layouts' texts."""
        known = [name for name, grammar in grammars().items() if self.layouts.keys() & grammar.layouts.keys()]
        latin = known != [CHINESE.name]
        alphabet = (ALPHABET if CHINESE.name in known else DIGITS) + (string.ascii_uppercase if latin else "")
        return CrnnConfig(alphabet="".join(dict.fromkeys(alphabet)), grammars=tuple(known))


def train_reader(
    training: ReaderTraining,
    out: Path,
    report: Report | None = None,
    *,
    device: str = "cpu",
) -> Path:
    """Train a network and write `crnn.safetensors` (or `teacher.safetensors`) and `log.jsonl` into `out`.

    The pool of renders lies in `out/pool`. A killed run goes on from its last checkpoint, and ends with the
    same weights as an uninterrupted one on the same machine, device and thread count.

    Args:
        training: The run.
        out: Its folder.
        report: Called with every log line.
        device: `cpu`, `mps`, `cuda` or `cuda:N`. Plates are drawn and varied on the CPU, and the finished
            reader is calibrated there.

    Returns:
        The weight file.

    Raises:
        DataError: `out` holds another training, or a damaged checkpoint.
    """
    with locked_folder(out):
        claim(out, training.model_dump(mode="json"))
        draw = partial(render_pool, out / "pool", layouts=training.layouts, makers=training.photographed > 0)
        pool = draw(training.seed, training.pool)
        held_out = draw(training.seed + _HELD_OUT_STREAM, training.held_out)
        trial = _Trial(training, pool, device)
        weights = out / f"{training.network}.safetensors"

        def measure() -> dict[str, float]:
            if isinstance(trial.averaged, Teacher):
                figures = _measure_teacher(trial.averaged, held_out, training)
                save_teacher(trial.averaged, weights, training.version)
            else:
                config, figures = _measure(trial.averaged, held_out, training)
                save_crnn(trial.averaged, config, weights)
            return figures

        trial.run(out, measure, report)
        if training.network == "crnn":
            believe(weights, out / "pool", training.calibration)
        return weights


def believe(weights: Path, pool: Path, plates: int = PLATES) -> None:
    """Write into a weight file from which confidence on each decoding can be believed (see `calibrate`).

    Raises:
        ReaderError: It is not a weight file of a CRNN.
        DataError: A shard in the folder `pool` is damaged.
    """
    found = {
        decoding: calibrate(CrnnReader(weights, decoding), pool, plates=plates).believed_from
        for decoding in DECODINGS
    }
    network = load_crnn(weights)
    save_crnn(network, network.config.model_copy(update={"believed_from": found}), weights)


class _Trial(Trial[CRNN | Teacher]):
    """A run over varied images of the pool."""

    def __init__(self, training: ReaderTraining, pool: Pool, device: str = "cpu") -> None:
        super().__init__(partial(_network, training), training, training.seed, training.network, device)
        self.training, self.pool = training, pool
        self.anchor = (
            load_crnn(training.start).to(self.device) if training.anchor and training.start else None
        )

    def batch_loss(self) -> Tensor:
        images, texts = self._batch()
        logits = self.network(images)
        loss = self._loss(logits, texts)
        if self.anchor is not None:
            plates = [place for place, text in enumerate(texts) if text]
            loss = loss + self.training.anchor * _divergence(self.anchor, images[plates], logits[plates])
        return loss

    def _loss(self, logits: Tensor, texts: Sequence[str]) -> Tensor:
        if isinstance(self.network, Teacher):
            return position_loss(logits, position_labels(texts).to(self.device)).mean()
        loss = ctc_loss(logits, texts, self.training.crnn.alphabet)
        if self.step < self.training.guided:
            loss = loss + guide(logits, texts, self.training.crnn.alphabet)
        return loss

    def _batch(self) -> tuple[Tensor, list[str]]:
        """Batch number `step`: a function of the seed and the step alone."""
        training = self.training
        first = self.step * training.batch
        strength = min(1.0, self.step / max(1, training.ramp))
        crops, texts = [], []
        for place in range(first, first + training.batch):
            rng = np.random.default_rng(seed_for("vary", training.seed, place))
            if rng.random() < training.empty:
                crop, text = empty_crop(self.pool, rng, training.deliver), ""
            else:
                epoch, offset = divmod(place, len(self.pool))
                index = _order(training.seed, epoch, len(self.pool))[offset]
                crop, text = self.pool.images[index], self.pool.texts[index]
                crop = training.deliver(crop, rng, strength, training.smallest)
            crops.append(crop)
            texts.append(text)
        return _standardised(self.network, crops), texts


@lru_cache(maxsize=1)
def _order(seed: int, epoch: int, count: int) -> list[int]:
    """The order of the pool in an epoch."""
    places = list(range(count))
    random.Random(seed_for("order", seed, epoch)).shuffle(places)
    return places


def _network(training: ReaderTraining) -> CRNN | Teacher:
    if training.network == "teacher":
        return Teacher()
    return CRNN(training.crnn) if training.start is None else load_crnn(training.start)


def _standardised(network: CRNN | Teacher, crops: Sequence[ImageU8]) -> Tensor:
    height, width = TEACHER_SIZE if isinstance(network, Teacher) else (INPUT_HEIGHT, network.config.width)
    pixels = torch.from_numpy(np.stack([prepare(crop, width, height) for crop in crops]))
    return standardise(pixels.to(next(network.parameters()).device))


def _divergence(anchor: CRNN, images: Tensor, logits: Tensor) -> Tensor:
    """Kullback-Leibler divergence of what is read now from what the anchor reads, per character of seven."""
    with torch.no_grad():
        held = anchor(images).log_softmax(-1)
    columns = nn.functional.kl_div(logits.log_softmax(-1), held, reduction="none", log_target=True).sum(-1)
    return columns.sum(1).mean() / 7


def ctc_loss(logits: Tensor, texts: Sequence[str], alphabet: str) -> Tensor:
    """Mean negative log-likelihood per character of texts; an empty one weighs as much as a plate of seven.

    Args:
        logits: [B, T, len(alphabet) + 1]; class 0 is the blank.
        texts: B texts.
        alphabet: Class i + 1 is character i.
    """
    targets = torch.tensor(_classes(texts, alphabet)).to(logits.device)
    lengths = torch.tensor([len(text) for text in texts]).to(logits.device)
    columns = torch.full((len(texts),), logits.shape[1], dtype=torch.long, device=logits.device)
    criterion = nn.CTCLoss(reduction="none", zero_infinity=True)
    found = criterion(logits.log_softmax(-1).transpose(0, 1), targets, columns, lengths)
    return torch.mean(found / lengths.where(lengths > 0, 7))


def guide(logits: Tensor, texts: Sequence[str], alphabet: str) -> Tensor:
    """Cross-entropy at the columns where characters would be if every crop were the plate's outline.

    Arguments as for `ctc_loss`, which alone spends hundreds of steps on finding out that texts run from left
    to right.
    """
    if not any(texts):
        return logits.new_zeros(())
    targets = torch.tensor(_classes(texts, alphabet)).to(logits.device)
    columns = torch.cat([_nominal_columns(text, logits.shape[1]) for text in texts if text])
    rows = torch.tensor([row for row, text in enumerate(texts) for _ in text])
    return nn.functional.cross_entropy(logits[rows, columns], targets)


def _classes(texts: Sequence[str], alphabet: str) -> list[int]:
    return [alphabet.index(character) + 1 for text in texts for character in text]


@lru_cache(maxsize=65536)
def _nominal_columns(text: str, columns: int) -> Tensor:
    fitting = parse(text).layouts
    geometry = face_geometry(next(layout for layout in LAYOUTS if layout in fitting))
    return torch.tensor([int(box.centre[0] / geometry.width * columns) for box in geometry.characters])


def _measure(network: CRNN, held_out: Pool, training: ReaderTraining) -> tuple[CrnnConfig, dict[str, float]]:
    """Calibrate on varied held-out renders; the configuration to save and the figures to log."""
    logits = _logits(network, _held_out_crops(held_out, training)).numpy()
    blank = _logits(network, _empty_crops(held_out, training)).argmax(-1).eq(0).all(1)
    alphabet = network.config.alphabet
    texts = ["".join(alphabet[i - 1] for i in greedy(softmax(row))[0]) for row in logits]
    temperature = fit_temperature(logits, held_out.texts, alphabet)
    config = network.config.model_copy(
        update={"temperature": temperature, "askew": training.askew, "version": training.version}
    )
    return config, _figures(texts, held_out, blank.tolist()) | {"temperature": temperature}


def _measure_teacher(network: Teacher, held_out: Pool, training: ReaderTraining) -> dict[str, float]:
    texts = position_texts(_logits(network, _held_out_crops(held_out, training)))
    empty = position_texts(_logits(network, _empty_crops(held_out, training)))
    return _figures(texts, held_out, [text == "" for text in empty])


def _figures(texts: Sequence[str], held_out: Pool, said_empty: Sequence[bool]) -> dict[str, float]:
    """Shares of plates read exactly and of empty crops read as empty, and the mean NED."""
    errors = [normalized_distance(a, b) for a, b in zip(texts, held_out.texts, strict=True)]
    return {
        "exact": round(float(np.mean([error == 0 for error in errors])), 5),
        "ned": round(float(np.mean(errors)), 5),
        "empty": round(float(np.mean(said_empty)), 5),
    }


def _held_out_crops(held_out: Pool, training: ReaderTraining) -> list[ImageU8]:
    seeds = (seed_for("vary", "held-out", training.seed, i) for i in range(len(held_out)))
    return [
        training.deliver(image, np.random.default_rng(seed), 1.0, training.smallest)
        for image, seed in zip(held_out.images, seeds, strict=True)
    ]


def _empty_crops(held_out: Pool, training: ReaderTraining) -> list[ImageU8]:
    seeds = (seed_for("empty", "held-out", training.seed, i) for i in range(len(held_out)))
    return [empty_crop(held_out, np.random.default_rng(seed), training.deliver) for seed in seeds]


@torch.inference_mode()
def _logits(network: CRNN | Teacher, crops: Sequence[ImageU8]) -> Tensor:
    chunks = [crops[start : start + 64] for start in range(0, len(crops), 64)]
    return torch.cat([network(_standardised(network, chunk)).cpu() for chunk in chunks])
