"""What a gap costs, from the runs of a transfer study: drops, recoveries, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from mdlp_bench.files import seed_for
from mdlp_bench.gap.method_runs import MethodRun
from mdlp_bench.gap.paired_means import TwoMeans
from mdlp_bench.gap.report_model import RankAgreement, RealTestDrop, Recovery, StudySettings
from mdlp_bench.gap.trainings import SetParts
from mdlp_bench.harness.statistics import ClusterBootstrap, paired_differences

FEWEST_RANKED: Final = 3
"""Methods that a rank correlation takes."""


class TransferComparison:
    """What follows from the runs of a transfer study that has texts.

    Args:
        tested: The runs.
        parts: The real set and the synthetic ones.
        trained: Labels of the methods that were trained.
        fixed: Labels of those taken as they are.
        settings: Settings of the study.
    """

    def __init__(
        self,
        tested: Sequence[MethodRun],
        parts: Sequence[SetParts],
        *,
        trained: Sequence[str],
        fixed: Sequence[str],
        settings: StudySettings,
    ) -> None:
        self.trained, self.fixed, self.settings = trained, fixed, settings
        self.real, *self.synthetic = [part.name for part in parts]
        self._alone = {
            (one.label, one.training.trained_on if one.training else None, one.tested_on): one
            for one in tested
            if not one.saw_real
        }
        self._with_real = [one for one in tested if one.saw_real]

    def drops(self) -> tuple[RealTestDrop, ...]:
        """How much worse real plates are read than the set's own, for every method and synthetic set."""
        found = []
        for label in self.trained:
            for name in self.synthetic:
                own, there = (self._alone[label, name, tested_on] for tested_on in (name, self.real))
                drop = self._two_means([own], [there]).difference(0)
                found.append(RealTestDrop(method=label, synthetic=name, drop=drop))
        return tuple(found)

    def recoveries(self) -> tuple[Recovery, ...]:
        """Every method and synthetic set: without real plates, with some mixed in, fine-tuned on them."""
        found: list[Recovery] = []
        for label in self.trained:
            best = self._alone[label, self.real, self.real]
            for name in self.synthetic:
                rows = [self._alone[label, name, self.real]]
                rows += [
                    one
                    for one in self._with_real
                    if one.training is not None and (one.label, one.training.trained_on) == (label, name)
                ]
                found += self._recovered(name, rows, best)
        return tuple(found)

    def _recovered(self, synthetic: str, rows: Sequence[MethodRun], best: MethodRun) -> list[Recovery]:
        """One entry per row; the first has seen no real data."""
        rules = best.run.record.rules.bootstrap
        bootstrap = ClusterBootstrap(
            best.run.per_sample()["plate_id"].to_pylist(),
            rules.resamples,
            confidence=self.settings.confidence,
            correction=rules.correction or "cr1",
        )
        values = np.stack([one.values("ned") for one in rows], axis=1)
        compared = paired_differences(bootstrap, values, best.values("ned"))
        nothing = compared[0]
        is_sure = nothing.p_holm < 1 - self.settings.confidence and nothing.difference.value > 0
        entries = []
        for one, pair in zip(rows, compared, strict=True):
            excess = pair.difference
            training, ned = one.training, one.estimate("ned")
            if training is None or ned is None:
                continue
            entries.append(
                Recovery(
                    method=one.label,
                    synthetic=synthetic,
                    percent=training.percent,
                    real_plates=training.real_plates,
                    fine_tuned=training.base is not None,
                    ned=ned,
                    excess=excess,
                    p_value=pair.p_holm,
                    recovered=1 - excess.value / nothing.difference.value if is_sure else None,
                )
            )
        return entries

    def agreements(self) -> tuple[RankAgreement, ...]:
        """The ranks of all methods on each synthetic set and on the real one; none for fewer than three.

        A method that is trained has learned from the set it is ranked on.
        """
        labels = [*self.fixed, *self.trained]
        if len(labels) < FEWEST_RANKED:
            return ()
        found = []
        for name in self.synthetic:
            sides = [
                [self._alone[label, on if label in self.trained else None, on] for label in labels]
                for on in (name, self.real)
            ]
            means = self._two_means(sides[0], sides[1])
            synthetic_order, real_order = means.orders(labels)
            found.append(
                RankAgreement(
                    synthetic=name,
                    synthetic_order=synthetic_order,
                    real_order=real_order,
                    kendall=means.kendall(),
                    spearman=means.spearman(),
                )
            )
        return tuple(found)

    def _two_means(self, first: Sequence[MethodRun], second: Sequence[MethodRun]) -> TwoMeans:
        values, plates = [], []
        for side in (first, second):
            column = np.stack([one.values("ned") for one in side], axis=1)
            known = ~np.isnan(column).any(axis=1)
            values.append(column[known])
            ids = np.asarray(side[0].run.per_sample()["plate_id"].to_pylist(), np.str_)
            plates.append(ids[known].tolist())
        return TwoMeans.of(
            values[0],
            values[1],
            (plates[0], plates[1]),
            resamples=self.settings.resamples,
            seed=seed_for(self.settings.seed, "transfer"),
            confidence=self.settings.confidence,
        )
