"""The released variant has the released keys, sizes and numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from baselines.lp_diff.network import LPDiff, LPDiffConfig
from baselines.lp_diff.released import released_buffers
from baselines.lp_diff.unet import attention_levels
from mdlp_bench.errors import MethodError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _config(values: dict[str, object]) -> LPDiffConfig:
    return LPDiffConfig.preset(
        "paper",
        "released",
        inner_channels=values["inner"],
        norm_groups=values["groups"],
        channel_mults=values["mults"],
        image_size=values["size"],
        attention_resolutions=values["attn"],
        res_blocks=values["rb"],
    )


def test_reproduces_the_released_numbers(parity: Callable[..., object]) -> None:
    vectors = parity("lpdiff")
    model = LPDiff(_config(vectors.config)).eval()
    vectors.check_keys(model)
    tables = released_buffers(model.schedule)
    model.load_state_dict(vectors.state() | tables)
    inputs = vectors.tensors
    with torch.no_grad():
        frames = torch.stack([inputs[f"in_f{number}"] for number in (1, 2, 3)], 1)
        psi = model.condition(frames)
        noise = model.predict(inputs["in_x"], inputs["in_nl"][:, 0], psi, frames)
    result = torch.cat([psi, noise], 1)
    scale = inputs["out"].abs().max()
    assert (result - inputs["out"]).abs().max() / scale < 1e-5


def test_released_configuration_has_the_released_keys_and_parameters(parity_dir: Path) -> None:
    keys = json.loads((parity_dir / "lpdiff/keys_released_config.json").read_text())
    with torch.device("meta"):
        model = LPDiff(LPDiffConfig.preset("paper", "released"))
    assert {name: list(tensor.shape) for name, tensor in model.state_dict().items()} == keys
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert count == {"denoise_fn": 92_002_435, "MTA": 171_902}
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.MTA.named_children()}
    assert parts == {
        "encoder": 60_864, "decoder": 60_675, "crossatt": 49_984, "IntraframeAtt": 379, "tem": 0,
    }  # fmt: skip


def test_attention_lands_on_the_fourth_level_of_the_released_configuration() -> None:
    down, up = attention_levels(LPDiffConfig.preset("paper", "released"))
    assert down == up == [False, False, False, True, False]
    # A nominal side that does not halve evenly puts attention elsewhere on the way up, as in the release.
    odd = LPDiffConfig.preset("paper", "released", image_size=100, attention_resolutions=(25, 24))
    assert attention_levels(odd) == ([False, False, True, False, False], [False, False, True, False, False])
    assert attention_levels(odd.model_copy(update={"attention_resolutions": (25,)}))[1] == [False] * 5


def test_what_the_release_fixes_cannot_be_changed() -> None:
    for change in ({"icam": False}, {"n_frames": 5}, {"prediction": "x0"}, {"unshuffle": 4}):
        with pytest.raises(MethodError, match="use variant 'described'"):
            LPDiffConfig.preset("paper", "released", **change)
    with pytest.raises(MethodError, match="size 'paper' only"):
        LPDiffConfig.preset("small", "released")
