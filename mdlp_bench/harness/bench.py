"""From a data set and a list of methods to the benchmark table: predict, score, compare, draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mdlp_bench.data.samples import Samples
from mdlp_bench.device import EXACT, Compute
from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.harness.compare import RunComparison, compare
from mdlp_bench.harness.figure import FIGURE_FILE, comparison_figure
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.score import score
from mdlp_bench.harness.tables import RENDERERS
from mdlp_bench.methods import AnyMethod, load_method
from mdlp_bench.methods.registry import distinct_names

ORACLES: Final = ("ground-truth", "input")
"""The rows that give every table its ceiling and floor."""


def bench(
    methods: Sequence[AnyMethod | str],
    samples: Samples,
    out: Path,
    plan: ScoringPlan,
    *,
    batch_size: int = 16,
    seed: int = 0,
    compute: Compute = EXACT,
    engine: Engine = SERIAL,
    progress: bool = False,
) -> RunComparison:
    """Run, score and compare methods on a data set.

    Writes `predictions/<method>`, `runs/<method>`, `table.{md,tex,html,csv}` with the main columns,
    `supplement.{md,tex,html,csv}` with all of them, and `comparison.png` into `out`. A stopped job resumes.

    Args:
        methods: Methods, or their names as for `load_method`; the oracles are added.
        samples: The data set.
        out: The folder.
        plan: Readers and image scorers.
        batch_size: Samples per call of a method.
        seed: Seed of stochastic methods.
        compute: Device, precision and numerics of the methods' networks; those of scoring are the plan's.
        engine: Where samples are restored and scored.
        progress: Show bars on standard error.

    Raises:
        MethodError: A method is unknown, or two have one name.
        MdlpBenchError: As in `predict` and `score`.
    """
    specs = list(dict.fromkeys([*methods, *ORACLES]))
    # Loaded for their descriptors and let go: one method at a time is held while it restores.
    descriptors = [(load_method(spec) if isinstance(spec, str) else spec).descriptor for spec in specs]
    own = [descriptor.name for descriptor in descriptors]
    names = distinct_names([s if isinstance(s, str) else o for s, o in zip(specs, own, strict=True)], own)
    predictions = [
        predict(
            spec,
            samples,
            out / "predictions" / name,
            name=name,
            batch_size=batch_size,
            seed=seed,
            compute=compute,
            measure=descriptor.provenance != "oracle",
            engine=engine,
            progress=progress,
        )
        for spec, name, descriptor in zip(specs, names, descriptors, strict=True)
    ]
    folders = [out / "runs" / name for name in names]
    runs = score(predictions, samples, folders, plan, engine=engine, progress=progress)
    comparison = compare(runs)
    for suffix in RENDERERS:
        comparison.write_table(out / f"table{suffix}")
        comparison.write_supplement(out / f"supplement{suffix}")
    by_run = {run.folder: one for one, run in zip(predictions, runs, strict=True)}
    # The best methods stand next to the ground truth.
    rows = [(by_run[run.folder], run) for run in reversed(comparison.best_first())]
    comparison_figure(samples, rows, out / FIGURE_FILE)
    return comparison
