"""From a data set and a list of methods to the benchmark table: predict, score, compare, draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mdlp_bench.data.samples import Samples
from mdlp_bench.device import EXACT, Compute
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import RunError
from mdlp_bench.harness.compare import RunComparison, compare
from mdlp_bench.harness.figure import FIGURE_FILE, comparison_figure
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.score import score
from mdlp_bench.harness.seeds import combine_seeds
from mdlp_bench.harness.tables import RENDERERS
from mdlp_bench.methods import AnyMethod, load_method
from mdlp_bench.methods.base import MethodDescriptor
from mdlp_bench.methods.registry import distinct_names

ORACLES: Final = ("ground-truth", "input")
"""The rows that give every table its ceiling and floor."""


@dataclass(frozen=True)
class _Job:
    """One method with one seed, and the folders of its predictions and its run."""

    spec: AnyMethod | str
    name: str
    descriptor: MethodDescriptor
    seed: int
    is_first: bool
    is_one_of_several: bool

    def predictions(self, out: Path) -> Path:
        return out / "predictions" / self.name if self.is_first else self._of_seed(out) / "predictions"

    def run(self, out: Path) -> Path:
        return self._of_seed(out) / "run" if self.is_one_of_several else out / "runs" / self.name

    def _of_seed(self, out: Path) -> Path:
        return out / "seeds" / self.name / str(self.seed)


def bench(
    methods: Sequence[AnyMethod | str],
    samples: Samples,
    out: Path,
    plan: ScoringPlan,
    *,
    batch_size: int = 16,
    seed: int = 0,
    seeds: int = 1,
    compute: Compute = EXACT,
    engine: Engine = SERIAL,
) -> RunComparison:
    """Run, score and compare methods on a data set.

    Writes `predictions/<method>`, `runs/<method>`, `table.{md,tex,html,csv}` with the main columns,
    `supplement.{md,tex,html,csv}` with all of them, and `comparison.png` into `out`. With several seeds,
    `seeds/<method>/<seed>` holds the predictions and the run of each. A stopped job resumes.

    Args:
        methods: Methods, or their names as for `load_method`; the oracles are added, that of the ground truth
            where samples have one.
        samples: The data set.
        out: The folder.
        plan: Readers and image scorers.
        batch_size: Samples per call of a method.
        seed: Seed of stochastic methods, the first one of several.
        seeds: Number of seeds of methods that depend on one; their runs are means over the seeds.
        compute: Device, precision and numerics of the methods' networks; those of scoring are the plan's.
        engine: Where samples are restored and scored.

    Raises:
        MethodError: A method is unknown, or two have one name.
        RunError: No sample has a ground truth or a text.
        MdlpBenchError: As in `predict` and `score`.
    """
    # Tracks of a challenge may have texts without a ground truth.
    with_gt = any(sample.gt is not None for sample in samples)
    if len(samples) and not with_gt and not any(samples.column("text")):
        raise RunError(
            f"{samples.name}: no sample has a ground truth or a text to score by; give texts with --labels, "
            "or restore with `mdlp-bench predict` alone"
        )
    specs = list(dict.fromkeys([*methods, *(ORACLES if with_gt else ORACLES[1:])]))
    # Loaded for their descriptors alone: later, only the method that restores is in memory.
    descriptors = [(load_method(spec) if isinstance(spec, str) else spec).descriptor for spec in specs]
    own = [descriptor.name for descriptor in descriptors]
    names = distinct_names([s if isinstance(s, str) else o for s, o in zip(specs, own, strict=True)], own)
    jobs = [
        _Job(spec, name, descriptor, seed + number, number == 0, seeds > 1 and not descriptor.deterministic)
        for spec, name, descriptor in zip(specs, names, descriptors, strict=True)
        for number in range(1 if descriptor.deterministic else seeds)
    ]
    with engine.kept() as kept:
        predictions = [
            predict(
                job.spec,
                samples,
                job.predictions(out),
                name=job.name,
                batch_size=batch_size,
                seed=job.seed,
                compute=compute,
                measure=job.is_first and job.descriptor.provenance != "oracle",
                engine=kept,
            )
            for job in jobs
        ]
        scored = score(predictions, samples, [job.run(out) for job in jobs], plan, engine=kept)
    runs = []
    for name in names:
        found = [run for job, run in zip(jobs, scored, strict=True) if job.name == name]
        runs.append(found[0] if len(found) == 1 else combine_seeds(found, out / "runs" / name))
    comparison = compare(runs)
    for suffix in RENDERERS:
        comparison.write_table(out / f"table{suffix}")
        comparison.write_supplement(out / f"supplement{suffix}")
    first = {job.name: one for job, one in zip(jobs, predictions, strict=True) if job.is_first}
    by_run = {run.folder: first[name] for name, run in zip(names, runs, strict=True)}
    # The best methods stand next to the ground truth.
    rows = [(by_run[run.folder], run) for run in reversed(comparison.best_first())]
    comparison_figure(samples, rows, out / FIGURE_FILE)
    return comparison
