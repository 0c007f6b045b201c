"""The runs of a transfer study: every method on the test parts, predicted and scored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mdlp_bench.device import EXACT, Compute
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.gap.trainings import FixedMethod, SetParts, Training, trained_method
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import Predictions, predict
from mdlp_bench.harness.run import Run, float_column
from mdlp_bench.harness.score import score
from mdlp_bench.harness.statistics.clusters import FloatArray
from mdlp_bench.harness.statistics.estimate import Estimate
from mdlp_bench.methods.base import AnyMethod


@dataclass(frozen=True, slots=True, eq=False)
class MethodRun:
    """A method's run on a set's test part.

    Attributes:
        label: The method's.
        training: What it learned from; None for a method taken as it is.
        tested_on: The set's name.
        predictions: What it restored.
        run: Their scores.
    """

    label: str
    training: Training | None
    tested_on: str
    predictions: Predictions
    run: Run

    @property
    def saw_real(self) -> bool:
        """Whether real plates were mixed in or fine-tuned on."""
        return self.training is not None and self.training.real_plates > 0

    def values(self, metric: str) -> FloatArray:
        """Per-sample values, [n]."""
        return float_column(self.run.per_sample(), metric)

    def estimate(self, metric: str) -> Estimate | None:
        """The run's summary of a metric; None where it has none."""
        found = self.run.summary.get(metric)
        if found is None or found.mean is None:
            return None
        return Estimate(value=found.mean, low=found.low, high=found.high)


def runs_on(
    part: SetParts,
    fixed: Sequence[FixedMethod],
    trainings: Sequence[Training],
    out: Path,
    scoring: ScoringPlan,
    *,
    compute: Compute = EXACT,
    engine: Engine = SERIAL,
) -> list[MethodRun]:
    """Predict and score what has not been: fixed methods and finished trainings on one test part.

    Args:
        part: The set.
        fixed: Methods taken as they are.
        trainings: Trainings whose weights are there.
        out: The folder of the transfer study.
        scoring: Reader and image scorers.
        compute: Device, precision and numerics of the methods' networks.
        engine: Where samples are restored and scored.

    Raises:
        MdlpBenchError: As in `predict` and `score`.
    """
    predictions, folders = [], []
    entries: list[tuple[str, Training | None]] = [(one.label, None) for one in fixed]
    entries += [(one.method.label, one) for one in trainings]
    specs = [one.spec for one in fixed] + [""] * len(trainings)
    with engine.kept() as kept:
        for spec, (label, training) in zip(specs, entries, strict=True):
            method: AnyMethod | str = spec
            folder = out / label
            if training is not None:
                method, folder = trained_method(training, training.weights(out)), training.folder(out)
            folder = folder / "tests" / f"{part.name}-{part.test.fingerprint[:10]}"
            made = predict(method, part.test, folder / "predictions", compute=compute, engine=kept)
            predictions.append(made)
            folders.append(folder / "run")
        runs = score(predictions, part.test, folders, scoring, engine=kept)
    return [
        MethodRun(label, training, part.name, own, run)
        for (label, training), own, run in zip(entries, predictions, runs, strict=True)
    ]
