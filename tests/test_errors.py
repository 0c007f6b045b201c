from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from mdlp_bench.errors import first_fault, reason


class Sizes(BaseModel, extra="forbid"):
    sides: list[int] = []

    @field_validator("sides")
    @classmethod
    def _even(cls, sides: list[int]) -> list[int]:
        if any(side % 2 for side in sides):
            raise ValueError("must be even")
        return sides


def test_a_reason_is_one_line_even_of_an_error_that_says_nothing() -> None:
    assert reason(OSError("disk full\nsomewhere")) == "disk full"
    assert reason(KeyError()) == "KeyError" and reason(ValueError("\nbelow")) == "ValueError"


def test_the_first_fault_names_the_field_or_the_whole() -> None:
    for content, expected in (
        ({"sides": [1]}, "sides: must be even"),
        (
            {"sides": [2, "x"]},
            "sides.1: Input should be a valid integer, unable to parse string as an integer",
        ),
        ("no mapping", "sizes: Input should be a valid dictionary or instance of Sizes"),
    ):
        with pytest.raises(ValidationError) as caught:
            Sizes.model_validate(content)
        assert first_fault(caught.value, "sizes") == expected
        assert first_fault(caught.value) == expected.removeprefix("sizes: ")
