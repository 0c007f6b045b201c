"""The base of the project's pydantic models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A model that cannot be changed after it is made and has nothing but its stated fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FrozenFinite(Frozen, allow_inf_nan=False):
    """As `Frozen`, and numbers are finite."""
