"""LP-Diff's U-Net with 8-bit convolutions: time and quality against 32-bit ones, on one CPU thread.

Run `python benchmarks/lp_diff_int8.py`. Weights are quantised by channel, activations by layer over the range
that eight further plates take; what lies between the convolutions stays in 32 bits.
"""

from __future__ import annotations

import copy
import warnings

import torch
from sampling import BATCH, Judge, change, cpu_ms, demo_plates, restore, seeds_of, table
from torch import Tensor, nn
from torch.ao.nn import quantized

from baselines.lp_diff.checkpoint import load
from baselines.lp_diff.network import LPDiff
from baselines.weights import bundled
from mdlp_bench.harness.demo import lpips_net
from mdlp_bench.methods.tensors import to_tensor

PLATES = 64

Range = tuple[float, float]


def affine(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point of unsigned bytes over a range that holds zero."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / 255, 1e-8)
    return scale, round(-low / scale)


class Int8Conv2d(nn.Module):
    """A convolution on bytes between 32-bit neighbours."""

    def __init__(self, conv: nn.Conv2d, taken: Range, given: Range) -> None:
        super().__init__()
        self.input = affine(*taken)
        self.conv = quantized.Conv2d(
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding
        )
        weight = conv.weight.detach()
        scales = (weight.abs().amax((1, 2, 3)) / 127).clamp_min(1e-8)
        zeros = torch.zeros(len(scales), dtype=torch.long)
        self.conv.set_weight_bias(
            torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8),
            None if conv.bias is None else conv.bias.detach(),
        )
        self.conv.scale, self.conv.zero_point = affine(*given)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.quantize_per_tensor(x, *self.input, torch.quint8)).dequantize()


def quantise(model: LPDiff, frames: Tensor, seeds: list[int]) -> LPDiff:
    """A copy whose U-Net's convolutions are `Int8Conv2d`, with the ranges that these frames take."""
    model = copy.deepcopy(model)
    convs = {name: m for name, m in model.denoise_fn.named_modules() if isinstance(m, nn.Conv2d)}
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in convs}

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        return convs[name].register_forward_hook(
            lambda _, taken, given: seen[name].append(
                (torch.stack(taken[0].aminmax()), torch.stack(given.aminmax()))
            )
        )

    hooks = [watch(name) for name in convs]
    restore(model, frames, seeds)
    for hook in hooks:
        hook.remove()
    for name, conv in convs.items():
        taken, given = (torch.stack(ranges) for ranges in zip(*seen[name], strict=True))
        parent, _, leaf = name.rpartition(".")
        bounds = [(float(x[:, 0].min()), float(x[:, 1].max())) for x in (taken, given)]
        setattr(model.denoise_fn.get_submodule(parent), leaf, Int8Conv2d(conv, *bounds))
    return model


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")  # torch.ao announces its successor at every call
    torch.set_num_threads(1)
    torch.backends.quantized.engine = "onednn"
    plates = demo_plates(PLATES + BATCH)
    frames = to_tensor(plates.frames)
    seeds = seeds_of(plates)
    full = load(bundled("lp-diff"))
    models = {"32 bits": full, "8 bits": quantise(full, frames[PLATES:], seeds[PLATES:])}
    judge = Judge(plates, lpips_net())
    found = {name: judge(restore(model, frames[:PLATES], seeds)) for name, model in models.items()}
    level = torch.full((1,), full.schedule.levels[-1])
    inputs = [
        torch.randn(1, channels, 112, 224).contiguous(memory_format=torch.channels_last)
        for channels in (full.config.condition_channels, 3)
    ]
    best = dict.fromkeys(models, float("inf"))
    with torch.no_grad():
        for _ in range(8):
            for name, model in models.items():
                run = lambda model=model: model.denoise_fn(*inputs, level)  # noqa: E731
                best[name] = min(best[name], cpu_ms(run, repeats=2))
    base = found["32 bits"]
    rows = [
        [
            name,
            f"{best[name]:.1f}",
            f"{best['32 bits'] / best[name]:.2f}x",
            *(change(getattr(q, m), getattr(base, m)) for m in ("psnr", "lpips", "ned")),
        ]
        for name, q in found.items()
    ]
    table(f"One U-Net step; changes on {PLATES} plates", ["", "ms", "faster", "PSNR", "LPIPS", "NED"], rows)


if __name__ == "__main__":
    main()
