"""What a gap study found: versioned, frozen, strict JSON in and out."""

from __future__ import annotations

from typing import Final, Literal

from mdlp_bench.frozen import FrozenFinite
from mdlp_bench.harness.statistics import Estimate

GAP_SCHEMA_VERSION: Final = 1

GAP: Final = "gap.json"


class StudySettings(FrozenFinite):
    """How the study was made.

    Attributes:
        confidence: Confidence of all intervals; 1 - confidence is the level of all tests.
        permutations: Relabellings of plates per test.
        resamples: Bootstrap resamples of plates.
        folds: Number of folds of the classifier's cross-validation.
        limit: About how many samples of a set are measured at most.
        seed: Seed of everything random.
        reader: The reader's name, or null.
    """

    confidence: float = 0.95
    permutations: int = 1999
    resamples: int = 1000
    folds: int = 5
    limit: int = 1000
    seed: int = 0
    reader: str | None = None


class SetSummary(FrozenFinite):
    """A set of the study: its name, what was typed, its fingerprint, samples and plates looked at."""

    name: str
    spec: str
    fingerprint: str
    n: int
    n_plates: int


class StatisticGap(FrozenFinite):
    """The distance of a statistic's distribution on a synthetic set from the real one.

    Attributes:
        name: A name of `measure.STATISTICS_OF_FRAMES`.
        real_median: On real samples.
        synthetic_median: On synthetic ones.
        wasserstein: First Wasserstein distance, in the statistic's unit.
        standardised: The same over the standard deviation of both sets pooled, 0 to about 2: what statistics
            are ranked by.
        ks: Kolmogorov-Smirnov distance, 0-1.
        p_value: p-value of `ks`, by relabelling plates.
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


class FeatureGap(FrozenFinite):
    """The distance of two sets in a space of features.

    Attributes:
        features: `reader`, `inception` or `statistics`.
        dimensions: Number of dimensions of the features.
        frechet: Squared Fréchet distance (FRD with the reader's features, FID with Inception's).
        frechet_floor: The same between two halves of the real set, mean of several; null with too few plates.
        kernel: Unbiased squared MMD with the cubic kernel (KRD, KID), interval from its jackknife error.
        kernel_floor: As `frechet_floor`.
        mmd: Unbiased squared MMD with a Gaussian kernel.
        p_value: p-value of `mmd`, by relabelling plates.
    """

    features: str
    dimensions: int
    frechet: float
    frechet_floor: float | None
    kernel: Estimate
    kernel_floor: float | None
    mmd: float
    p_value: float


class ClassifierGap(FrozenFinite):
    """Whether a small network can tell real frames from synthetic ones on plates it has not seen.

    Attributes:
        accuracy: Mean of the shares of real and of synthetic samples that are right, 0-1; 0.5 is chance.
        folds: Number of folds of the cross-validation by plate.
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


class SetGap(FrozenFinite):
    """One synthetic set beside the real one.

    Attributes:
        name: The synthetic set's.
        shared_plates: Plates that both sets have.
        statistics: Largest standardised distance first.
        features: One entry per feature space.
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


class PairGap(FrozenFinite):
    """Two sets of the study beside each other, without tests: for the matrix of all sets."""

    first: str
    second: str
    mean_standardised: float
    kernel: float | None


class GapStudy(FrozenFinite):
    """Parts one and two of the report: what differs and how much.

    Attributes:
        settings: How it was made.
        real: The real set.
        synthetic: The synthetic sets.
        gaps: One entry per synthetic set, in their order.
        pairs: All pairs of sets.
        unavailable: What could not be computed for any set, with the reason.
    """

    settings: StudySettings
    real: SetSummary
    synthetic: tuple[SetSummary, ...]
    gaps: tuple[SetGap, ...]
    pairs: tuple[PairGap, ...]
    unavailable: dict[str, str]


class TransferSettings(FrozenFinite):
    """How the transfer was measured.

    Attributes:
        steps: Optimiser steps of a training.
        fine_tuning_steps: Steps of a fine-tuning on real data.
        test_share: Share of the plates, by a hash of their ids, that no training sees.
        lpips: Net of LPIPS.
        seed: Seed of weights, batches and the choice of mixed-in plates.
    """

    steps: int
    fine_tuning_steps: int
    test_share: float
    lpips: str
    seed: int


class PartSizes(FrozenFinite):
    """Plates and samples of a set's two parts."""

    name: str
    train: int
    train_plates: int
    test: int
    test_plates: int


class TransferCell(FrozenFinite):
    """A method trained on one set and tested on one.

    Attributes:
        method: Its label.
        trained_on: A set's name; null for a method that is not trained here.
        real_plates: Real plates it has seen beside (or, fine-tuned, after) that set.
        fine_tuned: Whether it saw them after the set instead of mixed in.
        tested_on: A set's name.
        ned: Mean edit distance of the reading, or null without texts.
        lpips: Or null without weights.
        psnr: dB.
    """

    method: str
    trained_on: str | None
    real_plates: int = 0
    fine_tuned: bool = False
    tested_on: str
    ned: Estimate | None
    lpips: Estimate | None
    psnr: Estimate | None


class Recovery(FrozenFinite):
    """What a method trained on a synthetic set, with or without real data, loses on the real test plates.

    Attributes:
        method: Its label.
        synthetic: The set.
        percent: Percentage of the real training plates, mixed in or fine-tuned on.
        real_plates: How many plates that is.
        fine_tuned: Whether they came after the set instead of mixed in.
        ned: On the real test plates.
        excess: NED above that of the same method trained on the real set, paired by sample.
        p_value: p-value of no excess, corrected over one method and set (Holm).
        recovered: Share of the excess without real data that is gone; null where that excess may be chance.
    """

    method: str
    synthetic: str
    percent: int
    real_plates: int
    fine_tuned: bool
    ned: Estimate
    excess: Estimate
    p_value: float
    recovered: float | None


class RealTestDrop(FrozenFinite):
    """How much worse a method trained on a synthetic set reads real test plates than that set's own."""

    method: str
    synthetic: str
    drop: Estimate


class RankAgreement(FrozenFinite):
    """Whether a synthetic set ranks methods as the real set does.

    Attributes:
        synthetic: The set; every method that trains is trained and tested on it.
        synthetic_order: Methods, best NED first.
        real_order: The same, trained and tested on the real set.
        kendall: Tau-b of the two orders, -1 to 1.
        spearman: Rho.
    """

    synthetic: str
    synthetic_order: tuple[str, ...]
    real_order: tuple[str, ...]
    kendall: Estimate
    spearman: Estimate


class TransferStudy(FrozenFinite):
    """Parts three to five: what the gap costs, whether ranks carry over, what it looks like.

    Attributes:
        settings: How it was made.
        parts: Training and test plates of every set, the real one first.
        cells: The transfer matrix, and the mixed and fine-tuned trainings on the real test plates.
        drops: One entry per trained method and synthetic set.
        recoveries: In the order 0 %, more %, fine-tuned.
        agreements: One entry per synthetic set; none with fewer than three methods.
        figures: Method to its comparison figure in `figures/`.
        notes: What cannot be concluded from so few plates.
    """

    settings: TransferSettings
    parts: tuple[PartSizes, ...]
    cells: tuple[TransferCell, ...]
    drops: tuple[RealTestDrop, ...]
    recoveries: tuple[Recovery, ...]
    agreements: tuple[RankAgreement, ...]
    figures: dict[str, str]
    notes: tuple[str, ...]


class GapReport(FrozenFinite):
    """`gap.json`: all parts of a report; `transfer` is null where no methods were given."""

    schema_version: Literal[1] = GAP_SCHEMA_VERSION
    study: GapStudy
    transfer: TransferStudy | None = None
