"""A number with its confidence interval, and what the seeds of a stochastic method add to it."""

from __future__ import annotations

from math import inf
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from mdlp_bench.frozen import FrozenFinite

UNBOUNDED: Final = (-inf, inf)


class SeedSpread(FrozenFinite):
    """How far a method's mean moves with its seed.

    Attributes:
        sd: Standard deviation of the mean over the test set, between seeds.
        n_seeds: How many, at least two.
    """

    sd: float
    n_seeds: int

    @classmethod
    def of(cls, means: npt.ArrayLike) -> SeedSpread:
        """The spread of one mean per seed, [n_seeds]."""
        values = np.asarray(means, np.float64)
        return cls(sd=float(values.std(ddof=1)), n_seeds=len(values))

    @property
    def variance(self) -> float:
        """Of the mean over the seeds."""
        return self.sd**2 / self.n_seeds

    def half_width(self, confidence: float) -> float:
        """Of the interval that the seeds alone give, by Student's t."""
        return float(stdtrit(self.n_seeds - 1, (1 + confidence) / 2) * np.sqrt(self.variance))


class Estimate(FrozenFinite):
    """An estimate with its confidence interval.

    Attributes:
        value: The estimate on the samples themselves.
        low: Lower limit; None when the interval is unknown, e.g. with a single plate.
        high: Upper limit; None with `low`.
        n: Samples with a value; None where samples are not what is counted.
        n_plates: Plates with at least one such sample.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    n_plates: int | None = None

    def widened(
        self, seeds: SeedSpread | None, confidence: float, bounds: tuple[float, float] = UNBOUNDED
    ) -> Estimate:
        """With the seeds' share in the interval.

        The distances from the value to the limits and the seeds' half width are added in quadrature (the
        MOVER of Zou and Donner, Statistics in Medicine 27(10), 2008).

        Args:
            seeds: How the value moves with the seed; None adds nothing.
            confidence: Of the interval.
            bounds: The range of the metric, within which limits stay on the side of a bound that the value
                keeps itself.
        """
        if seeds is None or self.low is None or self.high is None:
            return self
        extra = seeds.half_width(confidence)
        low = self.value - float(np.hypot(self.value - self.low, extra))
        high = self.value + float(np.hypot(self.high - self.value, extra))
        least, most = bounds
        low = max(low, least) if self.value >= least else low
        high = min(high, most) if self.value <= most else high
        return self.model_copy(update={"low": low, "high": high})
