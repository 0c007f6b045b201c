"""The teacher and the reader loss: shapes, gradients, an independent cross-entropy, weight files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import mdlp_bench as mb
from mdlp_bench.errors import MissingWeightsError, ReaderError
from mdlp_bench.readers.crnn.weights import bundled_weights
from mdlp_bench.training.reader_loss import ReaderLoss
from mdlp_bench.training.teacher import (
    POSITIONS,
    Teacher,
    is_teacher,
    load_teacher,
    position_labels,
    position_loss,
    position_texts,
    save_teacher,
)

TEACHER = Path(__file__).resolve().parents[2] / "recipes" / "teacher" / "teacher.safetensors"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_teacher(Teacher().eval(), tmp_path / "teacher.safetensors", "tiny")
    return tmp_path / "teacher.safetensors"


def test_texts_and_labels_are_inverse() -> None:
    texts = ["京P20S75", "皖AD15777", ""]
    labels = position_labels(texts)
    assert labels.shape == (3, POSITIONS) and labels[2].eq(0).all()
    assert position_texts(torch.nn.functional.one_hot(labels, 73).float()) == texts
    with pytest.raises(ReaderError, match="BAI8068"):
        position_labels(["BAI8068"])


def test_the_position_loss_is_the_mean_cross_entropy() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(2, POSITIONS, 73))
    labels = position_labels(["京P20S75", "皖AD15777"])
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = [-np.mean([logs[b, k, labels[b, k]] for k in range(POSITIONS)]) for b in range(2)]
    assert position_loss(torch.tensor(logits), labels).numpy() == pytest.approx(expected)
    hard = torch.nn.functional.one_hot(labels, 73).double()
    assert position_loss(torch.tensor(logits), hard).numpy() == pytest.approx(expected)


@pytest.mark.parametrize("with_texts", [False, True])
def test_gradients_reach_the_restored_image_and_not_the_reader(weights: Path, with_texts: bool) -> None:
    loss = ReaderLoss(weights).train()
    generator = torch.Generator().manual_seed(1)
    gt = torch.rand(2, 3, 112, 224, generator=generator) * 2 - 1
    restored = (gt + torch.rand(gt.shape, generator=generator)).requires_grad_()
    found = loss(restored, gt, ["京P20S75", "皖AD15777"] if with_texts else None)
    assert found.shape == (2,)
    found.sum().backward()
    assert restored.grad is not None and restored.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in loss.parameters())
    alone = loss(restored[:1], gt[:1], ["京P20S75"] if with_texts else None)
    assert alone.item() == pytest.approx(found[0].item(), rel=1e-4)


def test_equal_images_differ_least(weights: Path) -> None:
    loss = ReaderLoss(weights)
    gt = torch.rand(1, 3, 112, 224, generator=torch.Generator().manual_seed(2)) * 2 - 1
    assert loss(gt, gt) < loss(gt.flip(-1), gt)
    assert ReaderLoss(bundled_weights())(gt, gt).item() < 1e-6  # a CRNN compares features alone


def test_weight_files(weights: Path, tmp_path: Path) -> None:
    assert is_teacher(weights) and not is_teacher(bundled_weights())
    network = load_teacher(weights)
    assert not network.training
    with pytest.raises(MissingWeightsError, match="nowhere"):
        load_teacher(tmp_path / "nowhere.safetensors")
    with pytest.raises(ReaderError, match="not a teacher"):
        load_teacher(bundled_weights())
    (tmp_path / "half.safetensors").write_bytes(weights.read_bytes()[:500])
    with pytest.raises(ReaderError, match="not a safetensors file"):
        load_teacher(tmp_path / "half.safetensors")


def test_through_noise_faint_strokes_cost_more() -> None:
    texts = ["京P20S75", "皖AD15777", "粤B6K12M"]
    plates = np.stack([mb.render(text, seed=3, difficulty=0.2).image for text in texts])
    gt = torch.from_numpy(plates).permute(0, 3, 1, 2) / 127.5 - 1
    mean = gt.mean((2, 3), keepdim=True)
    faint = mean + 0.2 * (gt - mean)

    def cost(noise: float, seed: int = 0) -> float:
        """What faintness costs."""
        loss = ReaderLoss(TEACHER, noise)
        of_faint, of_gt = (
            loss(image, gt, texts, torch.Generator().manual_seed(seed)) for image in (faint, gt)
        )
        return float((of_faint - of_gt).mean())

    assert cost(0.2) > 2 * cost(0.0)
    assert cost(0.2) == cost(0.2) != cost(0.2, seed=1)
