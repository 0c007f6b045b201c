"""LP-Diff's bundled weights: quality and time against steps and solvers, and what each speed-up gains.

Run `python benchmarks/sampling.py`; prints two Markdown tables, in a few minutes on one CPU thread. Times are
processor milliseconds of one plate, the best of several runs, so other programs disturb them little; ratios
within one run carry over to other machines. LPIPS is taken with the net whose weights are at hand.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.lp_diff import rcdm
from baselines.lp_diff.checkpoint import load
from baselines.lp_diff.network import LPDiff
from baselines.weights import bundled
from mdlp_bench.data import open_samples
from mdlp_bench.data.decode import DecodedBatch, decode_batch
from mdlp_bench.files import seed_for
from mdlp_bench.harness.demo import RECIPE, SEED, lpips_net
from mdlp_bench.methods.tensors import to_images, to_tensor
from mdlp_bench.metrics.fidelity import psnr
from mdlp_bench.metrics.perceptual import Lpips
from mdlp_bench.metrics.text import ned
from mdlp_bench.readers.crnn.reader import CrnnReader
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe

if TYPE_CHECKING:
    from baselines.lp_diff.sampler import Solver

SETTINGS: tuple[tuple[Solver, int], ...] = (
    *(("dpm++", steps) for steps in (1, 2, 4, 8, 16, 50)),
    *(("ddim", steps) for steps in (4, 16)),
    *(("ddpm", steps) for steps in (4, 16, 50)),
)
FULL: tuple[Solver, int] = ("ddpm", 1000)
BATCH = 8


@dataclass(frozen=True)
class Quality:
    """Scores of every plate."""

    psnr: np.ndarray
    lpips: np.ndarray
    ned: np.ndarray


class Judge:
    """Scores restored images of the first so many plates."""

    def __init__(self, plates: DecodedBatch, net: str) -> None:
        self.plates, self.reader, self.lpips = plates, CrnnReader(), Lpips(net)  # type: ignore[arg-type]
        self.texts = [text or "" for text in plates.texts]

    def __call__(self, images: np.ndarray) -> Quality:
        gt, count = self.plates.gt[: len(images)], len(images)
        read = [reading.text for reading in self.reader.read(list(images))]
        return Quality(psnr(images, gt), self.lpips.score(images, gt), ned(read, self.texts[:count]))


def demo_plates(count: int) -> DecodedBatch:
    """The demo's first plates: of the test split, on which nothing is trained."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        synthesise_rendered(load_recipe(RECIPE), count, data, seed=SEED, only="test")
        return decode_batch(next(open_samples(data).batches(count)))


def seeds_of(plates: DecodedBatch) -> list[int]:
    """The seeds of the harness, one per sample."""
    return [seed_for(0, "restore", sample_id) for sample_id in plates.sample_ids]


def restore(
    model: LPDiff, frames: Tensor, seeds: Sequence[int], *, steps: int = 1, solver: Solver = "dpm++"
) -> np.ndarray:
    """Restored images of frames [N, F, 3, H, W], batch by batch, uint8 [N, H, W, 3]."""
    parts = [slice(start, start + BATCH) for start in range(0, len(frames), BATCH)]
    return np.concatenate(
        [to_images(model.sample(frames[p], seeds[p], steps=steps, solver=solver)) for p in parts]
    )


@torch.inference_mode()
def one_step_from(model: LPDiff, frames: Tensor, x: Callable[[Tensor, Tensor], Tensor]) -> np.ndarray:
    """Images of one step at the last level from another start than noise.

    Args:
        model: The network.
        frames: [N, F, 3, H, W].
        x: From psi and the levels [n] to the start, for one batch after the other.
    """
    parts = []
    for batch in frames.split(BATCH):
        psi = model.condition(batch)
        level = torch.full((len(batch),), float(model.schedule.levels[-1]))
        start = x(psi, level)
        output = model.predict(start, level, psi, batch)
        parts.append(
            to_images((psi + rcdm.to_x0(model.config.prediction, output, start, level)).clamp(-1, 1))
        )
    return np.concatenate(parts)


def starts(
    model: LPDiff, plates: DecodedBatch, frames: Tensor, seeds: Sequence[int]
) -> dict[str, np.ndarray]:
    """Images of one step from zero, from the mean of eight starts, and from what training shows the network.

    The last one needs the ground truth: x_T = a_T x_0 + sigma_T eps, a hint where a_T is not zero.
    """
    mean = [
        to_images(model.sample(frames[i : i + BATCH], seeds[i : i + BATCH], steps=1, n_samples=8))
        for i in range(0, len(frames), BATCH)
    ]
    gt = iter(to_tensor(plates.gt).split(BATCH))
    generator = torch.Generator().manual_seed(0)

    def oracle(psi: Tensor, level: Tensor) -> Tensor:
        return rcdm.diffuse(next(gt) - psi, torch.randn(psi.shape, generator=generator), level)

    return {
        "from zero": one_step_from(model, frames, lambda psi, _: torch.zeros_like(psi)),
        "mean of 8 starts": np.concatenate(mean),
        "*with the ground truth's hint*": one_step_from(model, frames, oracle),
    }


def cpu_ms(run: Callable[[], object], repeats: int = 5) -> float:
    """Processor milliseconds of the fastest of `repeats` runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}\n")
    for row in (head, ["---", *["--:"] * (len(head) - 1)], *rows):
        print("| " + " | ".join(row) + " |", flush=True)


def change(found: np.ndarray, base: np.ndarray) -> str:
    """Mean difference on the same plates, with its 95 % interval."""
    difference = found - base[: len(found)]
    return f"{difference.mean():+.3f} ± {1.96 * difference.std() / len(difference) ** 0.5:.3f}"


def quality_table(model: LPDiff, plates: DecodedBatch, slow: int) -> None:
    """Every setting on the same plates; the full chain on the first `slow` of them."""
    net = lpips_net()
    judge = Judge(plates, net)
    frames = to_tensor(plates.frames)
    seeds = seeds_of(plates)

    def timed(solver: Solver, steps: int) -> float:
        run = lambda: model.sample(frames[:1], seeds[:1], steps=steps, solver=solver)  # noqa: E731
        return cpu_ms(run, repeats=1 if steps > 100 else 3)

    full_ms = timed(*FULL)
    rows: list[list[str]] = []

    def row(name: str, steps: str, found: Quality, base: Quality | None, ms: float | None) -> None:
        means = [f"{found.psnr.mean():.2f}", f"{found.lpips.mean():.3f}", f"{found.ned.mean():.3f}"]
        changes = ["", ""] if base is None else [change(found.lpips, base.lpips), change(found.ned, base.ned)]
        cost = ["", ""] if ms is None else [f"{ms:.0f}", f"{full_ms / ms:.0f}x"]
        rows.append([name, steps, *means, *changes, *cost])

    base: Quality | None = None
    for solver, steps in SETTINGS:
        found = judge(restore(model, frames, seeds, steps=steps, solver=solver))
        row(solver, str(steps), found, base, timed(solver, steps))
        base = base or found
    for name, images in starts(model, plates, frames, seeds).items():
        row(name, "1", judge(images), base, None)
    solver, steps = FULL
    found = judge(restore(model, frames[:slow], seeds[:slow], steps=steps, solver=solver))
    row(f"{FULL[0]}, first {slow} plates", str(FULL[1]), found, base, full_ms)
    with torch.inference_mode():
        psi = np.concatenate([to_images(model.condition(part)) for part in frames.split(BATCH)])
        row("psi alone", "0", judge(psi), base, cpu_ms(lambda: model.condition(frames[:1])))
    row("last frame", "", judge(plates.frames[:, -1]), base, None)
    head = ("solver", "steps", "PSNR", f"LPIPS ({net})", "NED", "LPIPS against 1 step", "NED against 1 step")
    table(f"{len(frames)} plates of the demo's test split", [*head, "ms", f"faster than {FULL[1]}"], rows)


def written_out(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention without the fused kernel."""
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    return scores.softmax(-1) @ value


@contextlib.contextmanager
def replaced(name: str, function: Callable[..., Tensor]) -> Iterator[None]:
    """Put another function in place of one of `torch.nn.functional`."""
    original = getattr(F, name)
    setattr(F, name, function)
    try:
        yield
    finally:
        setattr(F, name, original)


def gains_table(model: LPDiff) -> None:
    """One plate's psi and U-Net step as they run, and with one thing changed at a time, taken in turns."""
    unet, silu = model.denoise_fn, F.silu
    frames = torch.rand(1, model.config.n_frames, 3, 112, 224) * 2 - 1
    level = torch.full((1,), model.schedule.levels[-1])
    condition = torch.rand(1, model.config.condition_channels, 112, 224)
    noisy = torch.randn(1, 3, 112, 224)

    def step(network: Callable[..., Tensor], layout: torch.memory_format) -> Callable[[], object]:
        inputs = [image.contiguous(memory_format=layout) for image in (condition, noisy)]
        return lambda: network(*inputs, level)

    last, first, plain = torch.channels_last, torch.contiguous_format, contextlib.nullcontext
    settings: dict[str, tuple[Callable[[], contextlib.AbstractContextManager[object]], Callable[[], object]]]
    settings = {
        "as it runs": (plain, step(unet, last)),
        "channels first": (plain, step(unet, first)),
        "attention written out": (
            lambda: replaced("scaled_dot_product_attention", written_out),
            step(unet, last),
        ),
        "SiLU not in place": (lambda: replaced("silu", lambda x, inplace: silu(x)), step(unet, last)),
        "bfloat16": (lambda: torch.autocast("cpu", torch.bfloat16), step(unet, last)),
        "compiled": (plain, step(torch.compile(unet), last)),
    }
    best = dict.fromkeys(settings, float("inf"))
    with torch.no_grad():
        started = time.process_time()
        settings["compiled"][1]()
        compiling = time.process_time() - started
        for _ in range(8):
            for name, (context, run) in settings.items():
                with context():
                    best[name] = min(best[name], cpu_ms(run, repeats=2))
        psi = cpu_ms(lambda: model.condition(frames))
    shipped = best["as it runs"]
    rows = [[name, f"{ms:.1f}", f"{ms / shipped:.2f}"] for name, ms in best.items()]
    title = f"One U-Net step of one plate (psi takes {psi:.1f} ms; compiling took {compiling:.0f} s)"
    table(title, ["", "ms", "against as it runs"], rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", type=Path, default=None, help="default: the bundled ones")
    parser.add_argument("--plates", type=int, default=64, help="of the quality table")
    parser.add_argument("--slow", type=int, default=8, help="of them restored with 1000 steps")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load(arguments.weights or bundled("lp-diff"))
    gains_table(model)
    quality_table(model, demo_plates(arguments.plates), arguments.slow)


if __name__ == "__main__":
    main()
