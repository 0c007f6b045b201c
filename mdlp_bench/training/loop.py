"""The training loop every trainable method shares.

A training is a function of (data, options, configuration): after an interruption it gives the same weights.
It runs in one process, or in several under `accelerate launch`.

A run folder holds

    training.json            what is trained, how and on what; a folder continues only the same training
    state/                   networks, averaged weights, optimisers and step: the last checkpoint
    weights.safetensors      the averaged weights as the method reads them, at every checkpoint
    log.jsonl                one line every `log_every` steps and at every validation
    samples/00500.png        frames, restored and ground truth of the first validation samples
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from accelerate.state import AcceleratorState  # type: ignore[import-untyped]
from accelerate.utils import DistributedDataParallelKwargs  # type: ignore[import-untyped]
from torch import Tensor, nn

from mdlp_bench.data.samples import Samples
from mdlp_bench.device import check_device
from mdlp_bench.errors import DataError, MdlpBenchError
from mdlp_bench.files import seed_for, write_text
from mdlp_bench.methods.weights import read_card
from mdlp_bench.output_folder import locked_folder
from mdlp_bench.training.checkpoint import TRAINING, State, claim, load_state, save_state
from mdlp_bench.training.config import Precision, TrainingConfig
from mdlp_bench.training.data import PixelBatch, TrainingData
from mdlp_bench.training.trainable import Trainable, TrainingBatch
from mdlp_bench.training.validation import Validation

LOG: Final = "log.jsonl"
WEIGHTS: Final = "weights.safetensors"

Report = Callable[[dict[str, Any]], None]


def train(
    trainable: Trainable,
    samples: Samples,
    config: TrainingConfig,
    out: Path,
    *,
    about: dict[str, Any],
    validation: Samples | None = None,
    report: Report | None = None,
    stop_after: int | None = None,
    device: str = "auto",
    workers: int | None = None,
) -> Path:
    """Train, or continue an interrupted training.

    Args:
        trainable: What is trained; its initial weights belong to its identity.
        samples: The training data.
        config: How.
        out: The run folder.
        about: What identifies the method and its options, strict JSON; kept with the run.
        validation: Samples never trained on, for figures and pictures.
        report: Called with every log line.
        stop_after: Stop after this step, with a checkpoint; the same call without it continues.
        device: `auto` (what `accelerate launch` says, else a GPU when there is one), `cpu`, `mps`, `cuda` or
            `cuda:N`.
        workers: Processes that prepare batches, which are the same for any number; 0 for a thread beside the
            training, default 0 on CPUs and on a GPU as many as there are cores, up to 8.

    Returns:
        The weight file.

    Raises:
        DataError: The folder holds another training, the data cannot be trained on, or `workers` is negative.
        MdlpBenchError: The device is not there, the loss is not finite, or a file cannot be written.
    """
    if device != "auto":
        check_device(device)
    if workers is not None and workers < 0:
        raise DataError(f"workers is {workers}; give 0 for a thread, or a number of processes")
    # The Accelerator takes the current device.
    with torch.cuda.device(device) if device.startswith("cuda:") else nullcontext():
        # It is kept per process, but the next training may be on another device or in another precision.
        is_shared = torch.distributed.is_available() and torch.distributed.is_initialized()
        AcceleratorState._reset_state(reset_partial_state=not is_shared)
        accelerator = Accelerator(
            mixed_precision=_precision(config.precision, device),
            cpu=device == "cpu",
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        chief = accelerator.is_main_process
        if config.batch % accelerator.num_processes:
            raise DataError(
                f"a batch of {config.batch} cannot be shared by {accelerator.num_processes} processes evenly"
            )
        share = config.batch // accelerator.num_processes
        if share % config.accumulate:
            raise DataError(
                f"a batch of {share} cannot be cut into {config.accumulate} equal parts; change batch or "
                "accumulate"
            )
        identity = {
            **about,
            "training": config.identity(),
            "data": _identity(samples),
            "validation": None if validation is None else _identity(validation),
        }
        with locked_folder(out) if chief else nullcontext():
            if chief:
                claim(out, identity)
            data = TrainingData(
                samples,
                seed=config.seed,
                frames=config.frames,
                augment=config.augment,
                single=config.single,
                exposure=config.exposure,
            )
            state = _start(trainable, config, accelerator, out)
            run = _Run(trainable, data, config, out, accelerator, state, report)
            run.workers = _workers(accelerator) if workers is None else workers
            if validation is not None:
                run.validation = Validation(validation, config)
            run.go(min(config.steps, stop_after or config.steps))
    return out / WEIGHTS


class _Run:
    def __init__(
        self,
        trainable: Trainable,
        data: TrainingData,
        config: TrainingConfig,
        out: Path,
        accelerator: Accelerator,
        state: State,
        report: Report | None,
    ) -> None:
        self.trainable, self.data, self.config, self.out = trainable, data, config, out
        self.accelerator, self.state, self.report = accelerator, state, report
        self.validation: Validation | None = None
        self.workers = 0
        self.waited = 0.0
        self.wrapped = accelerator.prepare_model(trainable)
        self.log = _LogFile(out / LOG, state.step) if accelerator.is_main_process else None

    def go(self, stop: int) -> None:
        config, state, accelerator = self.config, self.state, self.accelerator
        rank, world = accelerator.process_index, accelerator.num_processes
        started, cpu_started = time.perf_counter() - state.seconds, time.process_time() - state.cpu_seconds
        figures: dict[str, list[Tensor]] = {}
        if state.step >= stop and not self._has_weights():
            # A process killed between the checkpoint and its weights left the weights of an earlier step.
            self._save_weights()
        batches = self.data.stream(
            state.step,
            stop,
            config.batch,
            rank,
            world,
            workers=self.workers,
            pin=accelerator.device.type == "cuda",
        )
        for pixels in self._timed(batches):
            batch = pixels.to(accelerator.device)
            generator = torch.Generator().manual_seed(seed_for("step", config.seed, state.step, rank))
            for player, optimizer in state.optimizers.items():
                for name, value in self._turn(batch, generator, player, optimizer).items():
                    figures.setdefault(name, []).append(value)
            self._average()
            state.step += 1
            state.seconds, state.cpu_seconds = (
                time.perf_counter() - started,
                time.process_time() - cpu_started,
            )
            if state.step % config.log_every == 0 or state.step == stop:
                self._write({"step": state.step, **_means(figures), **self._clock()})
                figures = {}
            if state.step % config.validate_every == 0 or state.step == config.steps:
                self._validate()
            if state.step % config.checkpoint_every == 0 or state.step == stop:
                self._checkpoint()

    def _timed(self, batches: Iterator[PixelBatch]) -> Iterator[PixelBatch]:
        """The batches; `waited` sums the seconds that the loop waits for them."""
        while True:
            begun = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - begun
            if batch is None:
                return
            yield batch

    def _turn(
        self, batch: TrainingBatch, generator: torch.Generator, player: str, optimizer: torch.optim.Optimizer
    ) -> dict[str, Tensor]:
        for group in optimizer.param_groups:
            group["lr"] = self.config.learning_rate_at(self.state.step)
        self.trainable.zero_grad(set_to_none=True)
        found: dict[str, Tensor] = {}
        for part in batch.parts(self.config.accumulate):
            with self.accelerator.autocast():
                losses = self.wrapped(part, generator, player)
            total = torch.stack(list(losses.values())).sum() / self.config.accumulate
            if not total.isfinite():
                raise MdlpBenchError(
                    f"step {self.state.step}: the loss is not finite; lower the learning rate and start again"
                )
            self.accelerator.backward(total)
            for name, loss in losses.items():
                found[name] = found.get(name, 0) + loss.detach() / self.config.accumulate
        parameters = self.trainable.get_submodule(player).parameters()
        norm = nn.utils.clip_grad_norm_(parameters, self.config.clip)
        optimizer.step()
        return found | {f"{player}_gradient" if len(self.state.optimizers) > 1 else "gradient": norm.detach()}

    @torch.no_grad()
    def _average(self) -> None:
        decay = self.config.ema_at(self.state.step)
        current = self.trainable.network.state_dict()
        for name, mean in self.state.averaged.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(current[name], 1 - decay)
            else:
                mean.copy_(current[name])

    def _validate(self) -> None:
        if self.validation is None or not self.accelerator.is_main_process:
            return
        picture = self.out / "samples" / f"{self.state.step:06d}.png"
        figures = self.validation.run(self.trainable, self.state.averaged, picture, self.accelerator.device)
        self._write({"step": self.state.step, "validation": figures, **self._clock()})

    def _checkpoint(self) -> None:
        if not self.accelerator.is_main_process:
            return
        save_state(self.state, self.trainable, self.out / "state")
        self._save_weights()

    def _has_weights(self) -> bool:
        """Whether the weight file is of this step; if so, it stays as it is, byte for byte."""
        try:
            return read_card(self.out / WEIGHTS).get("step") == str(self.state.step)
        except MdlpBenchError:
            return False

    def _save_weights(self) -> None:
        if not self.accelerator.is_main_process:
            return
        notes = {
            "step": str(self.state.step),
            "training": (self.out / TRAINING).read_text(encoding="utf-8"),
            "device": self.accelerator.device.type,
            "precision": {"no": "fp32"}.get(
                self.accelerator.mixed_precision, self.accelerator.mixed_precision
            ),
        }
        self.trainable.save(self.state.averaged, self.out / WEIGHTS, notes)

    def _clock(self) -> dict[str, float]:
        rate = self.config.learning_rate_at(self.state.step - 1)
        return {
            "learning_rate": float(f"{rate:.4g}"),
            "seconds": round(self.state.seconds, 1),
            "cpu_seconds": round(self.state.cpu_seconds, 1),
            "waiting_seconds": round(self.waited, 2),
        }

    def _write(self, line: dict[str, Any]) -> None:
        if self.log is not None:
            self.log.write(line)
            if self.report is not None:
                self.report(line)


class _LogFile:
    """Append-only JSON lines; a continued training drops the lines behind its checkpoint."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        if path.is_file():
            # A killed process leaves half a line behind; whole ones end with a line feed.
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            write_text(path, "".join(f"{line}\n" for line in kept))

    def write(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, allow_nan=False) + "\n")


def _start(trainable: Trainable, config: TrainingConfig, accelerator: Accelerator, out: Path) -> State:
    trainable.to(accelerator.device).train()
    averaged = copy.deepcopy(trainable.network).eval().requires_grad_(False)
    optimizers: dict[str, torch.optim.Optimizer] = {
        player: torch.optim.AdamW(
            [p for p in trainable.get_submodule(player).parameters() if p.requires_grad],
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
        )
        for player in trainable.players
    }
    state = State(averaged, optimizers)
    load_state(state, trainable, out / "state")
    return state


def _workers(accelerator: Accelerator) -> int:
    """On GPUs one per core, up to 8 for each process that trains; on CPUs training needs the cores."""
    if accelerator.device.type == "cpu":
        return 0
    trainers: int = accelerator.num_processes
    return max(1, min(8, (os.cpu_count() or 1) // trainers))


def _means(figures: dict[str, list[Tensor]]) -> dict[str, float]:
    return {name: float(f"{torch.stack(values).mean().item():.5g}") for name, values in figures.items()}


def _precision(wanted: Precision, device: str) -> str:
    if wanted == "auto":
        return (
            "bf16"
            if device != "cpu" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
            else "no"
        )
    return {"fp32": "no", "bf16": "bf16"}[wanted]


def _identity(samples: Samples) -> dict[str, Any]:
    return {"name": samples.name, "samples": len(samples), "fingerprint": samples.fingerprint}
