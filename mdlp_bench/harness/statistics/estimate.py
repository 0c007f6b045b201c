"""A number with its confidence interval: the one type that all statistics give."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Estimate(BaseModel):
    """An estimate with its confidence interval.

    Attributes:
        value: The estimate on the samples themselves.
        low: Lower limit; None when the interval is unknown, e.g. with a single plate.
        high: Upper limit; None with `low`.
        n: Samples with a value; None where samples are not what is counted.
        n_plates: Plates with at least one such sample.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    n_plates: int | None = None
