from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.lpdgan.network import PLATE, RELEASED, Lpdgan, SwinBlock, load_generator
from baselines.lpdgan.training import LpdganTrainable, trainable
from baselines.official import lpdgan as official
from mdlp_bench.errors import MethodError
from mdlp_bench.training.trainable import TrainingBatch

Load = Callable[[str], Any]


@pytest.fixture(scope="module")
def released() -> Lpdgan:
    return Lpdgan(RELEASED).eval()


def test_the_released_generator_gives_the_released_outputs(parity: Load, released: Lpdgan) -> None:
    vectors = parity("lpdgan")
    vectors.check_keys(released)
    state = released.state_dict()
    vectors.fill(state)  # in place, but for masks and indices
    released.load_state_dict(state)
    found = vectors.tensors
    with torch.inference_mode():
        output = released.outputs(*(found[name].float() for name in ("in_x", "in_x1", "in_x2")))
    for image, name in zip(output.images, ("out", "out1", "out2", "out3"), strict=True):
        assert (image - found[name]).abs().max() < 1e-4, name
    for logits, name in zip(output.text_logits, ("plate1", "plate2"), strict=True):
        assert torch.equal(logits.argmax(-1), found[name]), name
    assert sum(p.numel() for p in released.parameters()) == vectors.config["parameters"]


def test_four_fifths_of_the_released_parameters_are_the_text_heads_linear_layers(released: Lpdgan) -> None:
    sizes = {name: p.numel() for name, p in released.named_parameters()}
    heads = sum(n for name, n in sizes.items() if name.endswith("fc.weight") and "CNN_block" in name)
    assert 0.79 < heads / sum(sizes.values()) < 0.81


def test_what_is_called_unused_is_unused() -> None:
    torch.manual_seed(0)
    config = PLATE.model_copy(update={"unused": True, "encoder_depth": 1, "residual": False})
    network = Lpdgan(config)
    output = network.outputs(torch.rand(2, 3, 112, 224) * 2 - 1)
    torch.autograd.backward(sum(x.square().sum() for x in (*output.images, *output.text_logits)))
    idle = {name.split(".", 1)[1] for name, p in network.named_parameters() if p.grad is None}
    bare = {
        name.split(".", 1)[1]
        for name, _ in Lpdgan(config.model_copy(update={"unused": False})).named_parameters()
    }
    assert idle and not idle & bare
    assert idle | bare == {name.split(".", 1)[1] for name, _ in network.named_parameters()}


def test_a_checkpoint_loads_strictly(tmp_path: Path, released: Lpdgan) -> None:
    state = dict(released.state_dict())
    derived = ("attn_mask", "relative_position_index")
    torch.save(
        {key: value.half() for key, value in state.items() if not key.endswith(derived)},
        tmp_path / "200_net_G.pth",
    )
    method = official(tmp_path / "200_net_G.pth")
    assert method.descriptor.parameters == 128_890_368 and method.descriptor.provenance == "official"
    del state["swin_unet.output.weight"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(MethodError, match=r"lacks swin_unet\.output\.weight"):
        load_generator(tmp_path / "short.pth")


def test_shifted_windows_do_not_see_across_the_edge() -> None:
    torch.manual_seed(0)
    block = SwinBlock(12, 14, 3, shifted=True)
    x = torch.randn(1, 14, 14, 12, requires_grad=True)
    # The token in the corner shares a window, after the shift, with tokens of the other edges.
    torch.autograd.backward(block(x)[0, 13, 13].sum())
    assert x.grad is not None
    seen = x.grad[0].abs().sum(-1) > 1e-12
    assert seen[11:, 11:].all() and not seen[:4].any() and not seen[:, :4].any()


def _batch(texts: tuple[str | None, ...]) -> TrainingBatch:
    torch.manual_seed(1)
    return TrainingBatch(torch.rand(2, 3, 3, 112, 224) * 2 - 1, torch.rand(2, 3, 112, 224) * 2 - 1, texts)


def _gradients(trained: LpdganTrainable, loss: torch.Tensor) -> set[str]:
    trained.zero_grad()
    torch.autograd.backward(loss)
    return {name for name, p in trained.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def test_the_text_heads_have_a_gradient() -> None:
    torch.manual_seed(0)
    trained = trainable({"network": {"encoder_depth": 1}}).train()
    terms = trained(_batch(("京P20S75", None)), torch.Generator(), "model")
    assert set(terms) == {"l1", "text"}
    reached = _gradients(trained, terms["text"])
    assert {f"model.swin_unet.CNN_block{i}.fc.weight" for i in (1, 2)} <= reached
    # The texts also teach what the image is made of.
    assert "model.swin_unet.IE0.patch_embed.proj.weight" in reached
    assert set(trained(_batch((None, None)), torch.Generator(), "model")) == {"l1"}


def test_all_discriminators_learn_and_reach_the_generator() -> None:
    torch.manual_seed(0)
    options = {"gan": 0.1, "network": {"encoder_depth": 1, "residual": False}}
    trained = trainable(options).train()
    assert trained.players == ("model", "discriminators")
    batch = _batch((None, None))
    judged = _gradients(trained, trained(batch, torch.Generator(), "discriminators")["discriminators"])
    assert {name.split(".")[2] for name in judged} == {"0", "1", "2"}
    assert all(name.startswith("discriminators.") for name in judged)
    reached = _gradients(trained, trained(batch, torch.Generator(), "model")["gan"])
    assert {f"model.swin_unet.{head}output.weight" for head in ("", "MBO1.", "MBO2.")} <= reached


def test_training_starts_from_the_input() -> None:
    trained = trainable({"network": {"encoder_depth": 1}}).eval()
    frames = torch.rand(1, 3, 3, 112, 224) * 2 - 1
    assert torch.equal(trained.restore(trained.model, frames, [0]), frames[:, -1])
