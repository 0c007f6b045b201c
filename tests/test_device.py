"""What a user's words for a device mean on this machine."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mdlp_bench.device import Compute, check_device, whole_fp32
from mdlp_bench.errors import MdlpBenchError


def test_the_cpu_is_exact_and_short_precision_is_batched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert Compute.resolve() == Compute("cpu", "fp32", "exact")
    assert Compute.resolve("cpu", "bf16").numerics == "batched"
    assert Compute.resolve("cpu", numerics="batched") == Compute("cpu", "fp32", "batched")
    for same in ("cpu:0", torch.device("cpu"), torch.device("cpu:0")):
        assert Compute.resolve(same) == Compute.for_scoring(same) == Compute("cpu")


def test_auto_takes_a_gpu_unless_exact_numerics_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert Compute.resolve() == Compute("cuda", "fp32", "batched")
    for device in ("cuda:1", torch.device("cuda", 1)):
        assert Compute.resolve(device, "fp16") == Compute("cuda:1", "fp16", "batched")
    assert Compute.resolve(numerics="exact").device == "cpu"
    assert Compute.resolve(remote=True).device == "cpu"
    with pytest.raises(MdlpBenchError, match=r"cuda:2: not on this machine, which has 2 CUDA devices"):
        check_device("cuda:2")


def test_what_is_not_there_or_unknown_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("cuda", "cuda:3", "mps"):
        with pytest.raises(MdlpBenchError, match=f"device {name}: not on this machine, which has the CPU"):
            Compute.resolve(name)
    # Other machines may have what this one lacks, but not what no machine has.
    assert Compute.resolve("cuda", remote=True).device == "cuda"
    for remote in (False, True):
        for name in ("gpu", "cuda:", "cuda:x", "CPU", ""):
            with pytest.raises(MdlpBenchError, match="choose from auto, cpu, cuda, cuda:N and mps"):
                Compute.resolve(name, remote=remote)
    for wrong in ({"numerics": "exact", "precision": "bf16"}, {"precision": "fp8"}, {"numerics": "fast"}):
        with pytest.raises(MdlpBenchError):
            Compute.resolve("cpu", **wrong)  # type: ignore[arg-type]


def test_fp32_is_not_shortened_and_the_switches_come_back() -> None:
    cudnn: Any = torch.backends.cudnn
    assert cudnn.allow_tf32
    with whole_fp32():
        assert not cudnn.allow_tf32
    with pytest.raises(ValueError, match="stop"), whole_fp32():
        raise ValueError("stop")
    assert cudnn.allow_tf32
    if not hasattr(cudnn, "conv"):
        return
    before = cudnn.conv.fp32_precision
    try:
        cudnn.conv.fp32_precision = "ieee"  # after which the older switch cannot be read
        with whole_fp32():
            assert (cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision) == ("ieee", "ieee")
        assert (cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision) == ("ieee", "tf32")
    finally:
        cudnn.conv.fp32_precision = before
