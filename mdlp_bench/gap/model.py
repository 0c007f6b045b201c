"""What a gap study found: versioned, frozen, strict JSON in and out."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

GAP_SCHEMA_VERSION: Final = 1

GAP: Final = "gap.json"


class Record(BaseModel):
    """Base of all results: frozen, nothing but the stated fields, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(Record):
    """A number with its confidence interval; no limits where a single plate leaves the spread unknown."""

    value: float
    low: float | None = None
    high: float | None = None


class StudySettings(Record):
    """How the study was made.

    Attributes:
        confidence: Of all intervals; 1 - confidence is the level of all tests.
        permutations: Relabellings of plates a test.
        resamples: Bootstrap resamples of plates.
        folds: Of the classifier's cross-validation.
        limit: Samples of a set looked at, at most about so many.
        seed: Of everything random.
        reader: The reader's name, or null.
    """

    confidence: float = 0.95
    permutations: int = 1999
    resamples: int = 1000
    folds: int = 5
    limit: int = 1000
    seed: int = 0
    reader: str | None = None


class SetSummary(Record):
    """A set of the study: its name, what was typed, its fingerprint, samples and plates looked at."""

    name: str
    spec: str
    fingerprint: str
    n: int
    n_plates: int


class StatisticGap(Record):
    """How far a statistic's distribution on a synthetic set is from the real one.

    Attributes:
        name: Of `measure.STATISTICS_OF_FRAMES`.
        real_median: On real samples.
        synthetic_median: On synthetic ones.
        wasserstein: First Wasserstein distance, in the statistic's unit.
        standardised: The same over the standard deviation of both sets pooled, 0 to about 2: what statistics
            are ranked by.
        ks: Kolmogorov-Smirnov distance, 0-1.
        p_value: Of `ks`, by relabelling plates.
        p_holm: Corrected over the statistics of this set (Holm).
        n_real: Samples that have the statistic.
        n_synthetic: The same of the synthetic set.
    """

    name: str
    real_median: float
    synthetic_median: float
    wasserstein: Estimate
    standardised: Estimate
    ks: float
    p_value: float
    p_holm: float
    n_real: int
    n_synthetic: int


class FeatureGap(Record):
    """How far two sets are apart in a space of features.

    Attributes:
        features: `reader`, `inception` or `statistics`.
        dimensions: Of the features.
        frechet: Squared Fréchet distance (FRD with the reader's features, FID with Inception's).
        frechet_floor: The same between two halves of the real set, mean of several; null with too few plates.
        kernel: Unbiased squared MMD with the cubic kernel (KRD, KID), interval from its jackknife error.
        kernel_floor: As `frechet_floor`.
        mmd: Unbiased squared MMD with a Gaussian kernel.
        p_value: Of `mmd`, by relabelling plates.
    """

    features: str
    dimensions: int
    frechet: float
    frechet_floor: float | None
    kernel: Estimate
    kernel_floor: float | None
    mmd: float
    p_value: float


class ClassifierGap(Record):
    """Whether a small network, shown one frame, tells real from synthetic on plates it has not seen.

    Attributes:
        accuracy: Mean of the shares of real and of synthetic samples told right, 0-1; 0.5 is chance.
        folds: Of the cross-validation by plate.
        telling_real: Ids of real samples that look most real to it, the surest first.
        telling_synthetic: Synthetic samples that look most synthetic.
        passing_real: Real samples it takes for synthetic.
        passing_synthetic: Synthetic samples it takes for real.
    """

    accuracy: Estimate
    folds: int
    telling_real: tuple[str, ...]
    telling_synthetic: tuple[str, ...]
    passing_real: tuple[str, ...]
    passing_synthetic: tuple[str, ...]


class SetGap(Record):
    """One synthetic set beside the real one.

    Attributes:
        name: The synthetic set's.
        shared_plates: Plates that both sets have.
        statistics: Largest standardised distance first.
        features: One entry a feature space.
        classifier: Or null with too few plates.
        notes: What this comparison cannot tell, in sentences: too few samples, missing texts or weights.
    """

    name: str
    shared_plates: int
    statistics: tuple[StatisticGap, ...]
    features: tuple[FeatureGap, ...]
    classifier: ClassifierGap | None
    notes: tuple[str, ...]

    @property
    def mean_standardised(self) -> float:
        """Mean standardised distance over all statistics."""
        return sum(one.standardised.value for one in self.statistics) / len(self.statistics)

    def differing(self, level: float) -> tuple[StatisticGap, ...]:
        """The statistics whose corrected p-value is below the level."""
        return tuple(one for one in self.statistics if one.p_holm < level)


class PairGap(Record):
    """Two sets of the study beside each other, without tests: for the matrix of all sets."""

    first: str
    second: str
    mean_standardised: float
    kernel: float | None


class GapStudy(Record):
    """Parts one and two of the report: what differs and how much.

    Attributes:
        settings: How it was made.
        real: The real set.
        synthetic: The synthetic sets.
        gaps: One entry a synthetic set, in their order.
        pairs: All pairs of sets.
        unavailable: What could not be computed for any set, with the reason.
    """

    settings: StudySettings
    real: SetSummary
    synthetic: tuple[SetSummary, ...]
    gaps: tuple[SetGap, ...]
    pairs: tuple[PairGap, ...]
    unavailable: dict[str, str]


class GapReport(Record):
    """`gap.json`: all parts of a report."""

    schema_version: Literal[1] = GAP_SCHEMA_VERSION
    study: GapStudy
