"""What a device gives: parity, plates, scores and training steps per second, LP-Diff at the paper's size.

One script for a machine with a GPU and no network, under eight minutes; it prints Markdown tables. It makes
its own data and needs no weights beside the bundled ones (LPIPS where a backbone is in torch hub's cache).

    python benchmarks/gpu.py                                      # every part on the GPU
    python benchmarks/gpu.py --device cpu --parts predict --plates 128 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from baselines.lp_diff.config import LPDiffConfig
from baselines.lp_diff.network import LPDiff
from baselines.lp_diff.training import lp_diff
from mdlp_bench.data import Samples, open_samples
from mdlp_bench.device import EXACT, Compute, check_device
from mdlp_bench.engine import one_thread
from mdlp_bench.errors import MissingWeightsError
from mdlp_bench.harness.demo import lpips_net
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.score import score
from mdlp_bench.methods import FrameBatch, load_method
from mdlp_bench.methods.network import NetworkMethod
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe
from mdlp_bench.training.config import TrainingConfig
from mdlp_bench.training.loop import LOG, train

METHODS = (
    "srcnn",
    "hat",
    "real-esrgan",
    "resdiff",
    "resshift",
    "lpdgan",
    "lp-diff-psi",
    "lp-diff",
    "lp-diff-long",
)


class Sizes(NamedTuple):
    """How much is measured.

    Attributes:
        plates: Samples of the data set.
        batch: Plates per call.
        repeats: Runs of which the fastest counts.
        train_steps: Optimiser steps of the training; half of them count, many more than loaders hold ready.
        train_batch: Samples per step.
        sampling_steps: Steps of the network of the paper's size.
        lp_diff: Its size.
    """

    plates: int = 256
    batch: int = 64
    repeats: int = 3
    train_steps: int = 400
    train_batch: int = 32
    sampling_steps: tuple[int, ...] = (1, 50, 1000)
    lp_diff: str = "paper"


TINY = Sizes(6, 3, 1, 2, 2, (1, 2), "small")


def batch_of(count: int, compute: Compute) -> FrameBatch:
    """Samples of three smooth random frames, as small as those of an approaching car."""
    rng = np.random.default_rng(0)
    native = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (5, 12, 3), dtype=np.uint8)
        native.append(tuple(cv2.resize(coarse, (44 + 4 * n, 14 + n)) for n in range(3)))
    return FrameBatch(tuple(f"s{i}" for i in range(count)), tuple(native), compute=compute)


def seconds(work: Callable[[], object], repeats: int, *, is_warm: bool = False) -> float:
    """The fastest of several runs, after one that is not counted; each ends with results on the CPU."""
    if not is_warm:
        work()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def methods(device: str, sizes: Sizes, names: Sequence[str]) -> Iterator[str]:
    """Parity of batched and exact numerics, and plates per second."""
    yield "| method | pixels within 1 level | largest | bf16: mean | exact, 1 thread | batched fp32 | bf16 |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    wholes = [Compute(device, "fp32", "batched"), Compute(device, "bf16", "batched")]
    few = min(8, sizes.batch)
    for name in names:
        method = load_method(name)
        if not isinstance(method, NetworkMethod):
            raise SystemExit(f"{name}: not a network")
        with one_thread():
            exact = method.restore_batch(batch_of(few, EXACT)).astype(int)
            alone = few / seconds(lambda m=method: m.restore_batch(batch_of(few, EXACT)), 1)
        found, rates = [], []
        for compute in wholes:
            found.append(np.abs(method.restore_batch(batch_of(few, compute)) - exact))
            whole = batch_of(sizes.batch, compute)
            rates.append(sizes.batch / seconds(lambda m=method, b=whole: m.restore_batch(b), sizes.repeats))
        full, short = found
        yield (
            f"| {name} | {(full <= 1).mean():.4%} | {full.max()} | {short.mean():.2f} "
            f"| {alone:,.0f} /s | {rates[0]:,.0f} /s | {rates[1]:,.0f} /s |"
        )


def predicting(device: str, sizes: Sizes, samples: Samples, folder: Path) -> Iterator[str]:
    """`predict` from Parquet to PNG in Parquet, LP-Diff, exact against batched, alternating."""
    computes = (EXACT, Compute(device, "fp32", "batched"))
    best = {compute: np.full(2, np.inf) for compute in computes}
    for repeat in range(sizes.repeats):
        for compute in computes:
            out = folder / f"predict-{repeat}-{compute.numerics}"
            begun, cpu_begun = time.perf_counter(), time.process_time()
            predict("lp-diff", samples, out, batch_size=min(16, sizes.batch), compute=compute)
            spent = time.perf_counter() - begun, time.process_time() - cpu_begun
            best[compute] = np.minimum(best[compute], spent)
    together = min(16, sizes.batch)
    yield f"{len(samples)} plates, lp-diff, {together} per call; fastest of {sizes.repeats} runs"
    yield ""
    yield "| numerics | plates/s | ratio | CPU ms per plate | ratio |"
    yield "|---|--:|--:|--:|--:|"
    for compute, (wall, cpu) in best.items():
        ratios = best[EXACT] / (wall, cpu)
        yield (
            f"| {compute.numerics} on {compute.device} | {len(samples) / wall:.1f} | {ratios[0]:.2f}x "
            f"| {1000 * cpu / len(samples):.1f} | {ratios[1]:.2f}x |"
        )


def scoring(device: str, sizes: Sizes, samples: Samples, folder: Path) -> Iterator[str]:
    """Images scored per second with registration and without, and how far the values are from the CPU's."""
    made = predict("bicubic", samples, folder / "scored")
    few = samples[: sizes.batch]
    first = predict("bicubic", few, folder / "scored-first")
    try:
        net = lpips_net()
        ScoringPlan.from_names(lpips=net)
    except MissingWeightsError:
        net = "none"
    yield f"LPIPS: {net}; ground truths read again, as in a first run"
    yield ""
    yield "| device | images/s | without registration | largest difference |"
    yield "|---|--:|--:|--:|"
    tables = {}
    for where in dict.fromkeys(("cpu", device)):
        rates = []
        for aligned in (True, False):
            plan = ScoringPlan.from_names(lpips=net, device=where, aligned=aligned)
            out = folder / f"run-{where.replace(':', '-')}-{aligned}"
            # Without what an earlier scoring has kept of the ground truths.
            os.environ["MDLP_BENCH_CACHE"] = str(folder / f"cache-{out.name}")
            # What is done once, such as choosing kernels, is not counted.
            score([first], few, [out / "first"], plan)
            begun = time.perf_counter()
            (run,) = score([made], samples, [out / "all"], plan)
            rates.append(len(samples) / (time.perf_counter() - begun))
        table = run.per_sample()
        tables[where] = {name: table[name].to_numpy() for name in table.column_names if name in METRICS}
        apart = max(np.nanmax(np.abs(tables[where][n] - tables["cpu"][n]), initial=0) for n in tables["cpu"])
        yield f"| {where} | {rates[0]:.0f} | {rates[1]:.0f} | {apart:.1e} |"


def training(device: str, sizes: Sizes, samples: Samples, folder: Path) -> Iterator[str]:
    """LP-Diff small: steps per second, and the share of the time that the loop waits for batches."""
    yield "| loader | steps/s | triplets/s | waiting |"
    yield "|---|--:|--:|--:|"
    half = max(1, sizes.train_steps // 2)
    config = TrainingConfig(
        steps=2 * half,
        batch=sizes.train_batch,
        log_every=half,
        validate_every=2 * half,
        checkpoint_every=half,
    )
    cores = os.cpu_count() or 1
    numbers = dict.fromkeys((0, 1, 2, 4, min(8, cores))) if sizes.plates > TINY.plates else (0,)
    for workers in (number for number in numbers if number <= cores):
        out = folder / f"training-{workers}"
        trainable = lp_diff({"config": "small"})
        train(trainable, samples, config, out, about={"method": "lp-diff"}, device=device, workers=workers)
        lines = [json.loads(line) for line in (out / LOG).read_text(encoding="utf-8").splitlines()]
        first, last = lines[0], lines[-1]
        # The first half holds what happens once: kernels are chosen and workers start.
        spent = max(1e-3, last["seconds"] - first["seconds"])
        waited = last["waiting_seconds"] - first["waiting_seconds"]
        name = f"{workers} processes" if workers else "one thread"
        rate = half / spent
        yield f"| {name} | {rate:.1f} | {rate * config.batch:,.0f} | {waited / spent:.0%} |"


def sampling(device: str, sizes: Sizes) -> Iterator[str]:
    """LP-Diff at the paper's size with random weights: what a plate costs."""
    network = LPDiff(LPDiffConfig.preset(sizes.lp_diff)).eval().to(device)  # type: ignore[arg-type]
    count = sum(parameter.numel() for parameter in network.parameters())
    yield f"LP-Diff `{sizes.lp_diff}`, {count / 1e6:.0f} M parameters, {min(8, sizes.batch)} plates per call"
    yield ""
    yield "| steps | fp32, plates/s | bf16, plates/s |"
    yield "|--:|--:|--:|"
    frames = torch.rand(min(8, sizes.batch), 3, 3, 112, 224, device=device) * 2 - 1
    for steps in sizes.sampling_steps:
        rates = []
        for dtype in (None, torch.bfloat16):

            def run(steps: int = steps, dtype: torch.dtype | None = dtype) -> object:
                kind = torch.device(device).type
                with torch.inference_mode(), torch.autocast(kind, dtype, enabled=dtype is not None):
                    solver = "ddpm" if steps == 1000 else "ddim"
                    seeds = list(range(len(frames)))
                    return network.sample(frames, seeds, steps=steps, solver=solver).float().cpu()

            # Shorter chains have warmed the network up.
            is_long = steps > 100
            rates.append(len(frames) / seconds(run, 1 if is_long else sizes.repeats, is_warm=is_long))
        yield f"| {steps} | {rates[0]:.2f} | {rates[1]:.2f} |"


PARTS = ("methods", "predict", "score", "train", "sample")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--plates", type=int)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--train-steps", type=int)
    parser.add_argument("--tiny", action="store_true", help="sizes that show only that it runs")
    options = parser.parse_args(arguments)
    device = options.device
    check_device(device)
    sizes = TINY if options.tiny else Sizes()
    names = ("plates", "repeats", "train_steps")
    changes = {name: getattr(options, name) for name in names if getattr(options, name)}
    sizes = sizes._replace(**changes)
    on_gpu = device.startswith("cuda")
    hardware = torch.cuda.get_device_name(device) if on_gpu else f"{torch.get_num_threads()} threads"
    print(f"{hardware}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, PyTorch {torch.__version__}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthesise_rendered(load_recipe("surveillance"), sizes.plates, folder / "data", seed=1)
        samples = open_samples(folder / "data")
        parts = {
            "methods": lambda: methods(device, sizes, options.methods.split(",")),
            "predict": lambda: predicting(device, sizes, samples, folder),
            "score": lambda: scoring(device, sizes, samples, folder),
            "train": lambda: training(device, sizes, samples, folder),
            "sample": lambda: sampling(device, sizes),
        }
        for part in options.parts.split(","):
            print(f"\n### {part}\n")
            begun = time.perf_counter()
            for line in parts[part]():
                print(line, flush=True)
            print(f"\n({time.perf_counter() - begun:.0f} s)")


if __name__ == "__main__":
    main()
