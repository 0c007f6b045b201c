"""Train the CRNN reader, or the teacher of the reader loss, on rendered plates: `mdlp-bench train reader`."""

from __future__ import annotations

import io
import json
import math
import random
import string
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from rapidfuzz.distance.Levenshtein import normalized_distance
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from mdlp_bench.errors import DataError
from mdlp_bench.files import seed_for, write_bytes
from mdlp_bench.frozen import Frozen
from mdlp_bench.images import ImageU8
from mdlp_bench.output_folder import locked_folder
from mdlp_bench.plate import ALPHABET, CHINESE, DIGITS, LAYOUTS, Layout, grammars, parse
from mdlp_bench.readers.crnn.network import CRNN, INPUT_HEIGHT, CrnnConfig, standardise
from mdlp_bench.readers.crnn.reader import DECODINGS, CrnnReader, prepare
from mdlp_bench.readers.crnn.weights import load_crnn, save_crnn
from mdlp_bench.readers.ctc import greedy, softmax
from mdlp_bench.synth.render import face_geometry
from mdlp_bench.training.calibration import PLATES, calibrate
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
from mdlp_bench.training.teacher import (
    TEACHER_SIZE,
    Teacher,
    position_labels,
    position_loss,
    position_texts,
    save_teacher,
)

_HELD_OUT_STREAM: Final = 1_000_003


class ReaderTraining(Frozen):
    """Everything that decides a training run; stored beside its weights.

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
        steps: Batches.
        batch: Plates in a batch.
        learning_rate: Constant after a linear warm-up, until it falls linearly to zero in the last steps.
        warmup: Steps of the warm-up.
        decay: Steps of the fall.
        empty: Share of crops without a plate, whose text is empty.
        ramp: Steps in which the share of varied plates grows from none to all.
        guided: Steps in which the columns at the characters' nominal places are told their character. CTC
            alone spends hundreds of steps on finding out that the text runs from left to right.
        weight_decay: Weight decay of AdamW.
        average: Decay of the weights' exponential moving average, which is what is saved.
        checkpoint_every: Steps between checkpoints, each with a line of figures in the log.
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
    steps: int = Field(default=16_000, gt=0)
    batch: int = Field(default=32, gt=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    warmup: int = Field(default=100, ge=0)
    decay: int = Field(default=4_000, gt=0)
    empty: float = Field(default=0.1, ge=0, lt=1)
    ramp: int = Field(default=800, ge=0)
    guided: int = Field(default=400, ge=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    average: float = Field(default=0.998, ge=0, lt=1)
    checkpoint_every: int = Field(default=250, gt=0)
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
    report: Callable[[dict[str, Any]], None] | None = None,
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
        checkpoint = out / "checkpoint.pt"
        if checkpoint.is_file():
            trial.restore(checkpoint)
        weights = out / f"{training.network}.safetensors"
        while trial.step < training.steps:
            trial.advance(min(training.checkpoint_every, training.steps - trial.step))
            if isinstance(trial.averaged, Teacher):
                figures = _measure_teacher(trial.averaged, held_out, training)
                save_teacher(trial.averaged, weights, training.version)
            else:
                config, figures = _measure(trial.averaged, held_out, training)
                save_crnn(trial.averaged, config, weights)
            spent = {"loss": round(trial.loss, 5), "seconds": round(trial.seconds)}
            line = {"step": trial.step, **spent, **figures}
            trial.log.append(line)
            write_bytes(out / "log.jsonl", "".join(json.dumps(entry) + "\n" for entry in trial.log).encode())
            trial.store(checkpoint)
            if report:
                report(line)
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


class _Trial:
    """The state of a run between two checkpoints."""

    def __init__(self, training: ReaderTraining, pool: Pool, device: str = "cpu") -> None:
        torch.manual_seed(seed_for(training.network, training.seed))
        self.training, self.pool = training, pool
        self.device = torch.device(device)
        self.network, self.averaged = (_network(training).to(self.device) for _ in range(2))
        # Channels-last convolutions are a third faster on CPUs.
        self.network.to(memory_format=torch.channels_last)
        self.averaged.load_state_dict(self.network.state_dict())
        self.averaged.eval()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        self.anchor = (
            load_crnn(training.start).to(self.device) if training.anchor and training.start else None
        )
        self.criterion = nn.CTCLoss(reduction="none", zero_infinity=True)
        self.classes = {character: i for i, character in enumerate(training.crnn.alphabet, start=1)}
        self.step, self.loss, self.seconds = 0, math.nan, 0.0
        self.log: list[dict[str, Any]] = []

    def advance(self, steps: int) -> None:
        """Take `steps` optimiser steps; `loss` becomes their mean."""
        self.network.train()
        began, total = time.monotonic(), 0.0
        # Dropout is the only draw from torch's generator; seeding it here makes a resumed run the same run.
        torch.manual_seed(seed_for("dropout", self.training.seed, self.step))
        for _ in range(steps):
            for group in self.optimiser.param_groups:
                group["lr"] = self._learning_rate()
            images, texts = self._batch()
            logits = self.network(images)
            loss = self._loss(logits, texts)
            if self.anchor is not None:
                plates = [place for place, text in enumerate(texts) if text]
                loss = loss + self.training.anchor * _divergence(self.anchor, images[plates], logits[plates])
            self.optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
            self.optimiser.step()
            self.step += 1
            self._average()
            total += float(loss.detach())
        self.loss = total / steps
        self.seconds += time.monotonic() - began

    def store(self, path: Path) -> None:
        """Write everything `restore` needs, atomically."""
        buffer = io.BytesIO()
        torch.save(
            {
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
                "log": self.log,
            },
            buffer,
        )
        write_bytes(path, buffer.getvalue())

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            DataError: The file is damaged.
        """
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(stored["network"])
            self.averaged.load_state_dict(stored["averaged"])
            self.optimiser.load_state_dict(stored["optimiser"])
            self.step, self.seconds, self.log = stored["step"], stored["seconds"], stored["log"]
        except Exception as error:  # torch.load raises many kinds
            raise DataError(f"{path}: damaged checkpoint ({type(error).__name__}); delete it") from error

    def _learning_rate(self) -> float:
        training = self.training
        rising = (self.step + 1) / max(1, training.warmup)
        falling = (training.steps - self.step) / training.decay
        return training.learning_rate * min(1.0, rising, falling)

    def _loss(self, logits: Tensor, texts: Sequence[str]) -> Tensor:
        if isinstance(self.network, Teacher):
            return position_loss(logits, position_labels(texts).to(self.device)).mean()
        classes = [self.classes[character] for text in texts for character in text]
        targets = torch.tensor(classes).to(self.device)
        lengths = torch.tensor([len(text) for text in texts]).to(self.device)
        columns = torch.full((len(texts),), logits.shape[1], dtype=torch.long, device=self.device)
        found = self.criterion(logits.log_softmax(-1).transpose(0, 1), targets, columns, lengths)
        # Per character; an empty text weighs as much as a plate of seven.
        loss: Tensor = (found / lengths.where(lengths > 0, 7)).mean()
        if self.step < self.training.guided:
            loss = loss + _guide(logits, targets, texts)
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

    def _average(self) -> None:
        # A moving average is of no use before there is something worth averaging.
        decay = min(self.training.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(
                self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True
            ):
                if mean.is_floating_point():
                    mean.lerp_(value, 1 - decay)


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


def _guide(logits: Tensor, targets: Tensor, texts: Sequence[str]) -> Tensor:
    """Cross-entropy at the columns where characters would be if every crop were the plate's outline."""
    if not len(targets):
        return logits.new_zeros(())
    columns = torch.cat([_nominal_columns(text, logits.shape[1]) for text in texts if text])
    rows = torch.tensor([row for row, text in enumerate(texts) for _ in text])
    return nn.functional.cross_entropy(logits[rows, columns], targets)


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
    temperature = _fit_temperature(logits, held_out.texts, alphabet)
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


def _fit_temperature(logits: npt.NDArray[np.float32], texts: tuple[str, ...], alphabet: str) -> float:
    """The temperature that minimises the negative log-likelihood of whether each read character is right.

    Only readings of the right length count: for others it is not decided which character is wrong.
    """
    chosen = []
    for row, text in zip(logits, texts, strict=True):
        classes, _ = greedy(softmax(row))
        if len(classes) == len(text):
            right = [alphabet[i - 1] == character for i, character in zip(classes, text, strict=True)]
            chosen.append((row, np.array(right)))
    if not chosen:
        return 1.0

    def loss(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        confidences = np.concatenate([greedy(softmax(row, temperature))[1] for row, _ in chosen])
        correct = np.concatenate([right for _, right in chosen])
        confidences = np.clip(confidences, 1e-6, 1 - 1e-6)
        return float(-np.mean(np.where(correct, np.log(confidences), np.log1p(-confidences))))

    found = minimize_scalar(
        loss, bounds=(math.log(0.3), math.log(5.0)), method="bounded", options={"xatol": 0.02}
    )
    return round(math.exp(float(found.x)), 4)
