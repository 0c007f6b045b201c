"""The configuration of an LP-Diff network: one frozen, serialisable description."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from mdlp_bench.errors import MethodError, checked
from mdlp_bench.frozen import Frozen

Variant = Literal["described", "released"]
Size = Literal["paper", "base", "small"]
Prediction = Literal["eps", "x0", "v"]

RELEASED_WIDTHS = (16, 32, 64, 64)


class LPDiffConfig(Frozen):
    """One LP-Diff network (Gong et al., CVPR 2025).

    `described` follows the paper; `released` follows the public code, whose quirks are named in the modules
    that carry them. Lengths are in pixels of the working size, channels are feature maps.
    """

    variant: Variant = "described"
    n_frames: int = Field(default=3, ge=1, le=16, description="degraded frames, oldest first")
    icam: bool = Field(
        default=True, description="inter-frame cross attention (ablation exp2 sets it to false)"
    )
    tem: bool = Field(default=True, description="texture enhancement (ablation exp3 sets it to false)")
    dfm: bool = Field(default=True, description="dual-pathway fusion (ablation exp4 sets it to false)")
    widths: tuple[int, int, int, int] = Field(
        default=RELEASED_WIDTHS, description="channels of the conditioning encoder after each stage"
    )

    inner_channels: int = Field(default=64, ge=2, description="channels of the U-Net's first level")
    channel_mults: tuple[int, ...] = Field(default=(1, 2, 4, 8, 8), min_length=1)
    res_blocks: int = Field(default=2, ge=1)
    norm_groups: int = Field(default=32, ge=1)
    image_size: int = Field(
        default=128, ge=1, description="nominal side of the U-Net's first level, halved from level to level"
    )
    attention_resolutions: tuple[int, ...] = Field(
        default=(16,), description="nominal sides (see image_size) whose levels have self attention"
    )
    dropout: float = Field(default=0.1, ge=0, lt=1)
    unshuffle: Literal[1, 2, 4] = Field(
        default=1,
        description="space-to-depth factor before the U-Net; 4 makes 28 x 56 maps of 112 x 224 images",
    )
    see_frames: bool = Field(default=False, description="the U-Net sees the frames beside psi")

    prediction: Prediction = Field(default="x0", description="what the U-Net's output stands for")
    diffusion_steps: int = Field(default=1000, ge=2)
    beta_start: float = Field(default=1e-6, gt=0, lt=1)
    beta_end: float = Field(default=1e-2, gt=0, lt=1)
    zero_terminal: bool = Field(default=False, description="no signal is left at the last noise level")

    @classmethod
    def preset(cls, size: Size = "small", variant: Variant = "described", **changes: Any) -> Self:
        """The configuration of a named size.

        Args:
            size: `paper` (the released U-Net, 92 M parameters), `base` (28 M) or `small` (3 M, for
                training on a CPU). `released` exists as `paper` only.
            variant: `described` or `released`.
            changes: Fields to set differently, e.g. `icam=False` or `n_frames=5`. A described network has
                zero terminal SNR unless it predicts noise, which a level without signal forbids.

        Raises:
            MethodError: The fields do not make a network.
        """
        if variant == "released" and size != "paper":
            raise MethodError(
                f"lp-diff released exists in size 'paper' only, not {size!r}; use variant 'described'"
            )
        fields = {"zero_terminal": changes.get("prediction") != "eps", **_SIZES[size], "variant": variant}
        if variant == "released":
            fields |= {"prediction": "eps", "zero_terminal": False}
        return checked(cls, {**fields, **changes}, "lp-diff configuration", MethodError)

    @property
    def size_divisor(self) -> int:
        """Height and width of the images must be multiples of this."""
        conditioner = 8 if self.variant == "released" else 16
        return max(conditioner, self.unshuffle << (len(self.channel_mults) - 1))

    @property
    def condition_channels(self) -> int:
        """Channels of the U-Net's input beside x_t."""
        return 3 + (3 * self.n_frames if self.see_frames else 0)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.inner_channels % 2:
            raise ValueError(f"inner_channels must be even, not {self.inner_channels}")
        if min(self.channel_mults) < 1 or min(self.widths) < 1:
            raise ValueError("channel_mults and widths must be positive")
        if self.inner_channels % self.norm_groups:
            raise ValueError(
                f"norm_groups={self.norm_groups} does not divide inner_channels={self.inner_channels}"
            )
        if self.beta_start > self.beta_end:
            raise ValueError(f"beta_start={self.beta_start} exceeds beta_end={self.beta_end}")
        if self.zero_terminal and self.prediction == "eps":
            raise ValueError(
                "zero_terminal leaves nothing but noise to predict at the last level; take prediction x0 or v"
            )
        if self.variant == "released":
            fixed = {
                "n_frames": 3,
                "icam": True,
                "tem": True,
                "dfm": True,
                "widths": RELEASED_WIDTHS,
                "unshuffle": 1,
                "see_frames": False,
                "prediction": "eps",
                "zero_terminal": False,
            }
            for name, value in fixed.items():
                if getattr(self, name) != value:
                    raise ValueError(
                        f"the released network has {name}={value}; use variant 'described' to change it"
                    )
        return self


_SIZES: dict[Size, dict[str, Any]] = {
    "paper": {},
    "base": {
        "widths": (32, 64, 128, 192),
        "channel_mults": (1, 2, 4, 4),
        "image_size": 56,
        "attention_resolutions": (14, 7),
        "unshuffle": 2,
        "see_frames": True,
    },
    "small": {
        "widths": (16, 24, 64, 128),
        "inner_channels": 24,
        "channel_mults": (1, 2, 5),
        "res_blocks": 1,
        "norm_groups": 8,
        "image_size": 28,
        "attention_resolutions": (7,),
        "dropout": 0.0,
        "unshuffle": 4,
        "see_frames": True,
    },
}
