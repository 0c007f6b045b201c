"""Everything that computes on a device keeps all of its tensors there: tested on a pretended GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import mdlp_bench as mb
from mdlp_bench.data.samples import Samples
from mdlp_bench.training.data import PixelBatch
from mdlp_bench.training.reader import ReaderTraining, _Trial
from mdlp_bench.training.reader_data import render_pool
from mdlp_bench.training.registry import load_trainable, trainable_names
from tests.pretended_gpu import pretended_gpu


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, shared_dir: Path) -> Iterator[str]:
    monkeypatch.setenv("TORCH_HOME", str(shared_dir / "torch_home"))
    with pretended_gpu(monkeypatch) as device:
        yield device


def test_the_pretended_gpu_notices_what_is_elsewhere(gpu: str) -> None:
    there, here = torch.ones(2, device=gpu), torch.ones(2)
    assert there.device == torch.device(gpu) and (there + 1).device == there.device
    assert (there * torch.tensor(2.0)).cpu().tolist() == [2, 2]
    for wrong in (
        lambda: there + here,
        lambda: torch.stack([there, here]),
        lambda: here[torch.zeros(1, dtype=torch.long, device=gpu)],
        lambda: torch.randn(2, generator=torch.Generator(), device=gpu),
        lambda: nn.Linear(2, 2)(there),
    ):
        with pytest.raises(AssertionError, match="GPU"):
            wrong()
    with pytest.raises((TypeError, RuntimeError)):
        there.numpy()


@pytest.mark.parametrize("name", trainable_names())
def test_trainables_compute_their_losses_there(name: str, gpu: str) -> None:
    trainable = load_trainable(name, {"reader": 1.0, "reader_noise": 0.1}).to(gpu)
    rng = np.random.default_rng(0)
    frames = torch.from_numpy(rng.integers(0, 256, (1, 3, 112, 224, 3), np.uint8))
    batch = PixelBatch(frames, frames[:, 0], ("京P20S75",)).to(gpu)
    generator = torch.Generator().manual_seed(0)
    for player in trainable.players:
        losses = trainable.training_step(batch, generator, player)
        total = torch.stack(list(losses.values())).sum()
        assert total.device == torch.device(gpu) and total.isfinite()
        torch.autograd.backward(total)
        gradients = [one.grad for one in trainable.get_submodule(player).parameters() if one.grad is not None]
        assert gradients and {one.device for one in gradients} == {torch.device(gpu)}
    with torch.no_grad():
        assert trainable.restore(trainable.network, batch.frames, [1]).device == torch.device(gpu)


@pytest.mark.parametrize("network", ["crnn", "teacher"])
def test_readers_compute_their_losses_there(network: str, gpu: str, tmp_path: Path) -> None:
    training = ReaderTraining(network=network, pool=4, batch=3, guided=9)  # type: ignore[arg-type]
    trial = _Trial(training, render_pool(tmp_path, 1, 4), gpu)
    images, texts = trial._batch()
    loss = trial._loss(trial.network(images), texts)
    assert loss.device == torch.device(gpu) and loss.isfinite()
    torch.autograd.backward(loss)
    gradients = [one.grad for one in trial.network.parameters() if one.grad is not None]
    assert gradients and {one.device for one in gradients} == {torch.device(gpu)}


def test_methods_scores_and_metrics_are_there_what_they_are_here(
    gpu: str, make_samples: Callable[..., Samples], shared_dir: Path, tmp_path: Path
) -> None:
    samples = make_samples(3)
    runs, images = [], []
    for device in ("cpu", gpu):
        made = mb.predict("lp-diff-psi", samples, tmp_path / device / "preds", device=device)
        images.append(np.stack([one.image for one in made]).astype(int))
        runs.append(
            mb.score(made, samples, tmp_path / device / "run", aligned=False, fid=False, device=device)
        )
    assert (np.abs(images[0] - images[1]) <= 1).mean() >= 0.999
    assert runs[1].record.device == runs[1].record.scored_on + ":0" == gpu
    for name in ("psnr", "lpips_squeeze", "ned"):
        assert runs[1].summary[name].mean == pytest.approx(runs[0].summary[name].mean, abs=0.01), name
    read = [
        [
            one.reading
            for one in mb.predict("reading-fusion", samples, tmp_path / device / "read", device=device)
        ]
        for device in ("cpu", gpu)
    ]
    assert [one and one.text for one in read[0]] == [one and one.text for one in read[1]]
    batch = next(iter(DataLoader(samples.torch(), batch_size=3)))
    restored, gt = batch["frames"][:, 0], batch["gt"]
    for make, second in (
        (mb.metrics.PSNR, gt),
        (lambda: mb.metrics.LPIPS("squeeze"), gt),
        (lambda: mb.metrics.NED("crnn-3"), batch["text"]),
    ):
        here, there = make(), make().to(gpu)
        here.update(restored, second)
        there.update(restored.to(gpu), second if isinstance(second, list) else second.to(gpu))
        assert there.compute().device == torch.device(gpu)
        assert float(there.compute().cpu()) == pytest.approx(float(here.compute()), abs=1e-4)
