"""Parts three to five of the report: train on each set, test on each, compare ranks, draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mdlp_bench.device import EXACT, Compute
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import MethodError
from mdlp_bench.gap.method_runs import MethodRun, runs_on
from mdlp_bench.gap.recovery import FEWEST_RANKED, TransferComparison
from mdlp_bench.gap.report_model import (
    PartSizes,
    StudySettings,
    TransferCell,
    TransferSettings,
    TransferStudy,
)
from mdlp_bench.gap.sets import GapSet
from mdlp_bench.gap.trainings import (
    TEST_SHARE,
    FixedMethod,
    SetParts,
    TrainedMethodSpec,
    Training,
    parts_of,
    plan_trainings,
)
from mdlp_bench.harness.figure import comparison_figure
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.methods import load_method
from mdlp_bench.metrics.base import lpips_column
from mdlp_bench.progress import say

_FEW_TEST_PLATES: Final = 100


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """The plan of a transfer study.

    Attributes:
        trained: Methods that are trained on every set.
        fixed: Methods taken as they are.
        parts: The parts of the real set and of the synthetic ones.
        trainings: All, in order.
        test_share: Share of the plates that are for tests; 1 where nothing is trained.
        out: The folder `transfer` of the report.
    """

    trained: tuple[TrainedMethodSpec, ...]
    fixed: tuple[FixedMethod, ...]
    parts: tuple[SetParts, ...]
    trainings: tuple[Training, ...]
    test_share: float
    out: Path

    @classmethod
    def of(
        cls, methods: Sequence[str], sets: Sequence[GapSet], out: Path, *, steps: int, limit: int, seed: int
    ) -> TransferPlan:
        """Divide the sets and list the trainings.

        Args:
            methods: `NAME` or `NAME=CONFIG` of a trainable; other names are those of `load_method`.
            sets: The real set and the synthetic ones.
            out: The report's folder.
            steps: Optimiser steps of a training.
            limit: Samples of a set at most.
            seed: Seed of everything random.

        Raises:
            MethodError: A method or its configuration is wrong, or two are called the same.
            DataError: A set has too few plates with ground truth.
        """
        trained: list[TrainedMethodSpec] = []
        fixed: list[FixedMethod] = []
        for text in methods:
            spec = TrainedMethodSpec.parse(text, steps=steps, seed=seed)
            if spec is None:
                fixed.append(FixedMethod(text, load_method(text).descriptor.name))
            else:
                trained.append(spec)
        labels = [spec.label for spec in trained] + [one.label for one in fixed]
        if twice := {label for label in labels if labels.count(label) > 1}:
            raise MethodError(f"two methods are called {min(twice)!r}; give each once")
        share = TEST_SHARE if trained else 1.0
        parts = tuple(parts_of(one, limit=limit, seed=seed, test_share=share) for one in sets)
        folder = out / "transfer"
        trainings = [t for spec in trained for t in plan_trainings(spec, parts, folder, seed=seed)]
        return cls(tuple(trained), tuple(fixed), parts, tuple(trainings), share, folder)

    def train(self, device: str = "auto") -> None:
        """Run the trainings that are left, in this process or in those of `accelerate launch` together.

        Args:
            device: Where, as in `train_method`.

        Raises:
            MdlpBenchError: As in `train_method`.
        """
        from accelerate import PartialState  # type: ignore[import-untyped]

        for number, training in enumerate(self.trainings, start=1):
            say(f"training {number} of {len(self.trainings)}: {training.method.label} on {training.title}")
            training.run(self.out, device)
            # The next one may start from weights that the first process has yet to write.
            PartialState().wait_for_everyone()


def measure_transfer(
    plan: TransferPlan,
    settings: StudySettings,
    scoring: ScoringPlan,
    lpips: str,
    figures: Path,
    *,
    compute: Compute = EXACT,
    engine: Engine = SERIAL,
) -> TransferStudy:
    """Test every finished training, and the fixed methods, and compare.

    Args:
        plan: Its trainings have run.
        settings: Settings of the study.
        scoring: Reader and image scorers.
        lpips: Net of LPIPS in `scoring`, or `none`.
        figures: Folder of the comparison figures.
        compute: Device, precision and numerics of the methods' networks.
        engine: Where samples are restored and scored.

    Raises:
        MdlpBenchError: As in `predict` and `score`.
    """
    tested: list[MethodRun] = []
    for part in plan.parts:
        # Mixed and fine-tuned networks are tested on the real set alone.
        trainings = [t for t in plan.trainings if part is plan.parts[0] or not t.real_plates]
        say(f"testing {len(trainings) + len(plan.fixed)} methods on {part.name}")
        tested += runs_on(part, plan.fixed, trainings, plan.out, scoring, compute=compute, engine=engine)
    drawn = {}
    for spec in plan.trained:
        drawn[spec.label] = f"transfer-{spec.label}.png"
        _draw(spec.label, plan.parts[0], tested, figures / drawn[spec.label])
    has_texts = all(one.estimate("ned") is not None for one in tested)
    comparison = TransferComparison(
        tested,
        plan.parts,
        trained=[spec.label for spec in plan.trained],
        fixed=[one.label for one in plan.fixed],
        settings=settings,
    )
    fine_tuned = [t for t in plan.trainings if t.base is not None]
    sizes = tuple(part.sizes() for part in plan.parts)
    return TransferStudy(
        settings=TransferSettings(
            steps=max((t.method.recipe.training.steps for t in plan.trainings), default=0),
            fine_tuning_steps=max((t.method.recipe.training.steps for t in fine_tuned), default=0),
            test_share=plan.test_share,
            lpips=lpips,
            seed=settings.seed,
        ),
        parts=sizes,
        cells=tuple(_cell(one, lpips_column(lpips)) for one in tested),
        drops=comparison.drops() if has_texts else (),
        recoveries=comparison.recoveries() if has_texts else (),
        agreements=comparison.agreements() if has_texts else (),
        figures=drawn,
        notes=tuple(_notes(sizes, len(plan.trained) + len(plan.fixed), has_texts)),
    )


def _cell(one: MethodRun, lpips: str) -> TransferCell:
    training = one.training
    return TransferCell(
        method=one.label,
        trained_on=None if training is None else training.trained_on,
        real_plates=0 if training is None else training.real_plates,
        fine_tuned=training is not None and training.base is not None,
        tested_on=one.tested_on,
        ned=one.estimate("ned"),
        lpips=one.estimate(lpips),
        psnr=one.estimate("psnr"),
    )


def _draw(label: str, real: SetParts, tested: Sequence[MethodRun], out: Path) -> None:
    """Real test plates: frames, the methods trained on each set (real ones last), the ground truth."""
    alone = [
        one
        for one in tested
        if one.label == label and one.tested_on == real.name and one.training and not one.saw_real
    ]
    order = sorted(alone, key=lambda one: one.training is not None and one.training.trained_on == real.name)
    comparison_figure(real.test, [(one.predictions, one.run) for one in order], out)


def _notes(sizes: Sequence[PartSizes], methods: int, has_texts: bool) -> list[str]:
    notes = []
    few = [f"{one.test_plates} of {one.name}" for one in sizes if one.test_plates < _FEW_TEST_PLATES]
    if few:
        notes.append(
            f"Few test plates ({', '.join(few)}): intervals are wide, and what is not significant is not "
            "shown to be equal."
        )
    if len({one.train for one in sizes}) > 1:
        told = ", ".join(f"{one.name} {one.train:,}" for one in sizes)
        notes.append(
            f"The sets are trained on with different numbers of samples ({told}): a row that is worse than "
            "another may owe it to fewer samples."
        )
    if not has_texts:
        notes.append("A set has no texts: no NED, and so neither drops, recoveries nor ranks.")
    if methods < FEWEST_RANKED:
        notes.append(f"A rank correlation takes {FEWEST_RANKED} methods or more; {methods} given.")
    return notes
