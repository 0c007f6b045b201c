"""What an audit can find, how serious it is, and its thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from pydantic import Field

from mdlp_bench.frozen import Frozen

Severity = Literal["leak", "defect", "note"]
"""A leak carries knowledge from one split to another, a defect should be fixed, a note only informs."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked for.

    Attributes:
        severity: See `Severity`.
        meaning: One line for tables.
        fix: Which samples of a finding `--fix` quarantines: all; all but one, which stays (see
            `quarantine`); or none, where only a person can tell what is wrong.
    """

    severity: Severity
    meaning: str
    fix: Literal["all", "all but one", "none"]


CHECKS: Final = MappingProxyType(
    {
        "plate-leak": Check("leak", "one plate in several splits", "all but one"),
        "track-leak": Check("leak", "one track in several splits", "all but one"),
        "duplicate-leak": Check("leak", "the same image bytes in several splits", "all but one"),
        "near-duplicate-leak": Check(
            "leak", "the same picture, encoded again, in several splits", "all but one"
        ),
        "near-text-leak": Check(
            "leak", "similar pictures with texts one edit apart in several splits", "all but one"
        ),
        "broken": Check("defect", "an image cannot be decoded", "all"),
        "layout": Check("defect", "a file or label is not what the layout asks for", "none"),
        "missing-gt": Check("defect", "no ground truth, though others of the split have one", "none"),
        "wrong-count": Check("defect", "another number of frames than the rest", "none"),
        "duplicate": Check("defect", "the same image bytes in several samples", "all but one"),
        "near-duplicate": Check(
            "defect", "the same picture, encoded again, in several samples", "all but one"
        ),
        "label-grammar": Check("defect", "the text is not a plate", "none"),
        "label-disagrees": Check("defect", "the reader is sure of another text", "none"),
        "gt-worse": Check("defect", "the ground truth is smaller or less legible than a frame", "none"),
        "misordered": Check("defect", "a frame is sharper than the ground truth, or out of order", "none"),
        "extreme-size": Check("defect", "an image is very small, large, wide or narrow", "none"),
        "unsteady-size": Check("note", "the sizes of the frames contradict their order", "none"),
        "order-unclear": Check("note", "the names of the frames allow several orders", "none"),
        "near-text": Check("note", "similar pictures with texts one edit apart in one split", "none"),
        "repeated-plate": Check("note", "one plate in several tracks of a split", "none"),
        "repeated-frame": Check("note", "a sample holds the same frame twice", "none"),
        "no-gt": Check("note", "a split without any ground truth", "none"),
        "imbalance": Check("note", "one class has most of the plates", "none"),
    }
)
"""Every check by its code, the most serious first."""


class AuditConfig(Frozen):
    """Thresholds of an audit.

    Attributes:
        n_frames: Frames a sample should have; None takes the most frequent number.
        min_height: Pixels; lower images are extreme.
        max_side: Pixels; images with a longer side are extreme.
        min_aspect: Width / height; narrower images are extreme (two-row plates have about 1.5).
        max_aspect: Width / height; wider images are extreme.
        hash_bits: Bits of 128 in which perceptual hashes of near duplicates differ at most.
        near_correlation: Least correlation of every strip of near duplicates. Real plates of different text
            reach 0.75, copies compressed to JPEG quality 20 keep 0.8.
        near_text_correlation: The same where the texts are one edit apart.
        reader_confidence: Confidence from which a reading counts against a label.
        max_class_share: A province or layout with a larger share of the plates is an imbalance ...
        min_class_plates: ... in splits of at least this many plates.
    """

    n_frames: int | None = Field(default=None, ge=0)
    min_height: int = Field(default=8, ge=1)
    max_side: int = Field(default=2048, ge=1)
    min_aspect: float = Field(default=1.0, gt=0)
    max_aspect: float = Field(default=8.0, gt=0)
    hash_bits: int = Field(default=20, ge=0, le=128)
    near_correlation: float = Field(default=0.82, ge=-1, le=1)
    near_text_correlation: float = Field(default=0.6, ge=-1, le=1)
    reader_confidence: float = Field(default=0.9, ge=0, le=1)
    max_class_share: float = Field(default=0.5, gt=0, le=1)
    min_class_plates: int = Field(default=50, ge=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found.

    Attributes:
        code: A key of `CHECKS`.
        severity: That of the check.
        message: One line that names the samples.
        sample_ids: The samples concerned, in order; empty for findings about a whole split.
        splits: Their splits, sorted.
    """

    code: str
    severity: Severity
    message: str
    sample_ids: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, code: str, message: str, sample_ids: tuple[str, ...] = (), splits: tuple[str, ...] = ()
    ) -> Finding:
        """A finding with the severity of its check."""
        return cls(code, CHECKS[code].severity, message, sample_ids, splits)


class Audit(Frozen):
    """The result of `audit`.

    Attributes:
        name: Name of the data set.
        config: Every threshold.
        reader: Name and version of the reader.
        samples: Samples looked at, broken ones counted.
        quarantined: Samples that the quarantine list leaves out; they were not looked at.
        plates: Distinct plates.
        splits: Samples by split.
        counts: Findings by code.
        leaks: Findings that are leaks.
        balance: Plates by province and by layout, as shares.
        findings: All of them, the most serious first.
    """

    schema_version: Literal[1] = 1
    name: str
    config: AuditConfig
    reader: str | None
    samples: int
    quarantined: int
    plates: int
    splits: dict[str, int]
    counts: dict[str, int]
    leaks: int
    balance: dict[str, dict[str, float]]
    findings: tuple[Finding, ...]
