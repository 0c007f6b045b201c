"""What is wrong with a data set, by code; whoever opens it reports these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import SkipValidation

ProblemCode = Literal[
    "broken-image",
    "missing-gt",
    "several-gt",
    "no-frames",
    "frame-order",
    "order-unclear",
    "duplicate-id",
    "duplicate-scene",
    "file-name",
    "no-plate",
    "text-grammar",
    "text-missing",
    "text-unreadable",
    "label",
    "split-list",
    "annotation",
    "row",
    "ignored-file",
    "ignored-column",
    "quarantined",
]

NOTES: frozenset[ProblemCode] = frozenset(
    {
        "quarantined",
        "duplicate-scene",
        "no-plate",
        "text-missing",
        "text-unreadable",
        "order-unclear",
        "split-list",
        "ignored-column",
    }
)
"""Codes that report a decision or a gap and no defect: they do not make an inspection fail."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with the data.

    Attributes:
        code: What kind of thing it is.
        message: One line that names the file and the remedy.
        sample_id: The sample concerned, when there is one.
        split: Its split, when it is known.
        rejected: The sample is left out because of it (otherwise it is kept and this is a note).
    """

    code: Annotated[ProblemCode, SkipValidation]  # manifests of other versions may have other codes
    message: str
    sample_id: str | None = None
    split: str | None = None
    rejected: bool = True

    @classmethod
    def of_sample(
        cls, code: ProblemCode, sample_id: str, split: str | None, message: str, *, rejected: bool = True
    ) -> Problem:
        """A problem of one sample, which the message then names."""
        return cls(code, f"sample {sample_id}: {message}", sample_id, split, rejected)

    @property
    def is_defect(self) -> bool:
        """Whether somebody should fix something (see `NOTES`)."""
        return self.code not in NOTES
