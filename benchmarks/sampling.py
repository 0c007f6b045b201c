"""What LP-Diff costs on one CPU thread: a training step, and restoring a plate against solver steps.

Run `python benchmarks/sampling.py`; prints Markdown tables. Times are processor milliseconds, the best of
several runs, so other programs disturb them little; ratios within one run carry over to other machines.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from baselines.lp_diff.model import LPDiff, LPDiffConfig

if TYPE_CHECKING:
    from collections.abc import Callable

_HEIGHT, _WIDTH = 112, 224


def _best(run: Callable[[], object], repeats: int = 5) -> float:
    """Processor milliseconds of the fastest of `repeats` runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def _table(title: str, head: list[str], rows: list[list[str]]) -> None:
    print(f"\n{title}\n")
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(row) + " |")


def _small(*, channels_last: bool = True) -> LPDiff:
    torch.manual_seed(0)
    model = LPDiff(LPDiffConfig.preset("small"))
    return model.to(memory_format=torch.channels_last) if channels_last else model


def _layouts(batch: int = 8) -> None:
    frames = torch.rand(batch, 3, 3, _HEIGHT, _WIDTH) * 2 - 1
    clear, level = frames[:, 1].clone(), torch.full((batch,), 0.5)
    rows = []
    for name, channels_last in (("contiguous", False), ("channels last", True)):
        model = _small(channels_last=channels_last).train()

        def psi(model: LPDiff = model) -> None:
            model.zero_grad()
            (model.condition(frames) - clear).abs().mean().backward()

        def whole(model: LPDiff = model) -> None:
            model.zero_grad()
            losses = model.training_losses(frames, clear)
            (losses.noise + 0.5 * losses.psi).mean().backward()

        def evaluate(model: LPDiff = model) -> None:
            with torch.no_grad():
                model.predict(clear, level, clear, frames)

        def evaluate_short(evaluate: Callable[[], None] = evaluate) -> None:
            with torch.autocast("cpu", torch.bfloat16):
                evaluate()

        rows.append([name, *(f"{_best(run):.0f}" for run in (psi, whole, evaluate, evaluate_short))])
    head = ["layout", "train psi", "train psi + diffusion", "U-Net forward", "U-Net forward in bfloat16"]
    _table(f"Forward and backward, size small, batch {batch} (ms)", head, rows)


def _sampling() -> None:
    model = _small().eval()
    frames = torch.rand(1, 3, 3, _HEIGHT, _WIDTH) * 2 - 1
    with torch.no_grad():
        psi = _best(lambda: model.condition(frames))
    full = _best(lambda: model.sample(frames, [0], steps=1000, solver="ddpm"), repeats=1)
    rows = [["psi alone", "0", f"{psi:.1f}", f"{full / psi:.0f}"]]
    for steps in (1, 2, 4, 8, 16, 50):
        cost = _best(lambda n=steps: model.sample(frames, [0], steps=n))
        rows.append(["dpm++", str(steps), f"{cost:.1f}", f"{full / cost:.0f}"])
    rows.append(["ddpm", "1000", f"{full:.0f}", "1"])
    _table("Restoring one plate, size small", ["solver", "steps", "ms", "times faster than 1000"], rows)


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    _layouts()
    _sampling()


if __name__ == "__main__":
    main()
