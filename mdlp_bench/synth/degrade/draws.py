"""Random parameters that drift: distributions given by their quantile function, driven by a latent walk.

Every parameter of a sample has one latent number u, uniform in [0, 1], drawn with the scene. From frame to
frame u takes a small step and is reflected at 0 and 1, which keeps it uniform: consecutive frames are alike,
and yet the parameters of each single frame follow the recipe's distribution exactly. The value is the
distribution's quantile function at u.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mdlp_bench.frozen import FrozenFinite

Value = float | int | str | bool
Drift = float | Literal["independent"]

_KINDS = (
    "value",
    "uniform",
    "log_uniform",
    "sqrt_uniform",
    "reciprocal_uniform",
    "quantiles",
    "integers",
    "choice",
)


class Draw(FrozenFinite):
    """The distribution of one parameter; exactly one of the kinds is given.

    Attributes:
        value: A constant.
        uniform: [low, high].
        log_uniform: [low, high], uniform in the logarithm.
        sqrt_uniform: [low, high]: the square root of a uniform number (a variance is uniform).
        reciprocal_uniform: [low, high]: one over a uniform number.
        quantiles: Values at equally spaced probabilities 0 ... 1, linear in between.
        integers: [low, high], both included, equally likely.
        choice: Values, equally likely or by `weights`.
        weights: Positive weights of `choice`.
        drift: Standard deviation of the latent step between frames; None takes the recipe's. Choices and
            integers stay constant within a sample unless a drift is given. `independent`: one draw per frame.
        times: Multiply by this quantity of the camera (see `camera.MomentState`).
    """

    value: Value | None = None
    uniform: tuple[float, float] | None = None
    log_uniform: tuple[float, float] | None = None
    sqrt_uniform: tuple[float, float] | None = None
    reciprocal_uniform: tuple[float, float] | None = None
    quantiles: Annotated[tuple[float, ...], Field(min_length=2)] | None = None
    integers: tuple[int, int] | None = None
    choice: Annotated[tuple[Value, ...], Field(min_length=1)] | None = None
    weights: tuple[float, ...] | None = None
    drift: Drift | None = None
    times: Literal["pixel", "motion_length", "motion_angle"] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_KINDS)}, got {given}")
        positive = self.log_uniform or self.reciprocal_uniform
        pair = self.uniform or self.sqrt_uniform or self.integers or positive
        if pair and pair[0] > pair[1]:
            raise ValueError(f"{given[0]}: {pair[0]} is above {pair[1]}")
        if (positive and positive[0] <= 0) or (self.sqrt_uniform and self.sqrt_uniform[0] < 0):
            raise ValueError(f"{given[0]} needs positive limits")
        if self.quantiles and any(b < a for a, b in zip(self.quantiles, self.quantiles[1:], strict=False)):
            raise ValueError("quantiles must not fall")
        if self.weights is not None and (
            self.choice is None or len(self.weights) != len(self.choice) or min(self.weights) <= 0
        ):
            raise ValueError("weights are positive, one for each choice")
        return self

    @property
    def is_discrete(self) -> bool:
        """Whether values jump (constants, integers, choices)."""
        return self.value is not None or self.integers is not None or self.choice is not None

    def at(self, u: float) -> Value:
        """The quantile function at `u` in [0, 1] (before `times`)."""
        if self.value is not None:
            return self.value
        if self.uniform is not None:
            return self.uniform[0] + u * (self.uniform[1] - self.uniform[0])
        if self.log_uniform is not None:
            low, high = map(math.log, self.log_uniform)
            return math.exp(low + u * (high - low))
        if self.sqrt_uniform is not None:
            return math.sqrt(self.sqrt_uniform[0] + u * (self.sqrt_uniform[1] - self.sqrt_uniform[0]))
        if self.reciprocal_uniform is not None:
            low, high = self.reciprocal_uniform
            return 1.0 / (low + u * (high - low))
        if self.quantiles is not None:
            position = u * (len(self.quantiles) - 1)
            index = min(int(position), len(self.quantiles) - 2)
            low, high = self.quantiles[index], self.quantiles[index + 1]
            return low + (position - index) * (high - low)
        if self.integers is not None:
            count = self.integers[1] - self.integers[0] + 1
            return self.integers[0] + min(int(u * count), count - 1)
        values = self.choice or ()
        return values[pick(self.weights or (1.0,) * len(values), u)]


def as_draw(value: Any) -> Any:
    """YAML shorthand: a bare number, string or boolean is a constant."""
    return {"value": value} if isinstance(value, float | int | str | bool) else value


def pick(weights: tuple[float, ...], u: float) -> int:
    """The index whose share of the summed weights contains `u` in [0, 1]."""
    ends = list(accumulate(weights))
    return min(bisect_right(ends, u * ends[-1]), len(weights) - 1)


def reflect(u: float) -> float:
    """Fold a real number into [0, 1] as mirrors at 0 and 1 would."""
    folded = math.fmod(abs(u), 2.0)
    return 2.0 - folded if folded > 1.0 else folded
