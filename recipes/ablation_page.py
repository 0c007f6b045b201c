"""The ablation's part of docs/results.md: every arm against the whole network, over plates and trainings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from baselines.lp_diff.method import described
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import Engine
from mdlp_bench.errors import RunError
from mdlp_bench.harness.demo import lpips_net
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.run import Run, float_column
from mdlp_bench.harness.score import score
from mdlp_bench.harness.statistics import Clusters, holm
from mdlp_bench.metrics.base import METRICS

FloatArray = npt.NDArray[np.float64]

ALPHA: Final = 0.05
POWER: Final = 0.8
_METRICS: Final = ("ned", "acc", "psnr", "lpips_squeeze")


@dataclass(frozen=True)
class Contrast:
    """An arm minus the whole network in one metric.

    Attributes:
        difference: Of the means over plates and trainings.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p_holm: Two-sided p-value, by Holm over the arms.
    """

    difference: float
    low: float
    high: float
    p_holm: float


@dataclass(frozen=True)
class Contrasts:
    """All arms against the whole network in one metric.

    Attributes:
        arms: In the order given.
        between_trainings: Standard deviation of the mean over the plates between trainings of one arm, pooled
            over all arms.
        detectable: The difference that the strictest test of Holm's family finds with a power of 80 %.
    """

    arms: tuple[Contrast, ...]
    between_trainings: float
    detectable: float


def contrasts(clusters: Clusters, whole: FloatArray, arms: Sequence[FloatArray]) -> Contrasts:
    """Compare arms with the whole network, plates and trainings both random.

    The variance of a difference is that over plates (cluster-robust, of the values averaged over trainings)
    and that between trainings. With few trainings per arm the latter is hardly known, so it is taken to be
    the same for all arms and pooled; the sum has Satterthwaite's degrees of freedom. Holm's correction is
    over the arms: no arm is compared with another one.

    Args:
        clusters: Plates of the n samples.
        whole: [n, trainings] values of the whole network.
        arms: The same of each arm.

    Raises:
        RunError: A value is missing, or there are fewer than two trainings.
    """
    values = np.stack([whole, *arms])
    n_trainings = values.shape[2]
    if np.isnan(values).any() or n_trainings < 2:
        raise RunError("every sample needs a value in every one of at least two trainings")
    between = float(values.mean(axis=1).var(axis=1, ddof=1).mean())
    freedom_between = len(values) * (n_trainings - 1)
    sums = clusters.sums(np.stack([one.mean(axis=1) - whole.mean(axis=1) for one in arms], axis=1))
    differences, over_plates = sums.means(), sums.standard_errors() ** 2
    of_trainings = 2 * between / n_trainings
    total = over_plates + of_trainings
    errors = np.sqrt(total)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = total**2 / (over_plates**2 / sums.degrees_of_freedom() + of_trainings**2 / freedom_between)
        t = np.where(differences == 0, 0.0, np.abs(differences) / errors)
    freedom = np.where(total > 0, freedom, freedom_between)
    p_values = holm(2 * stdtr(freedom, -t))
    half = stdtrit(freedom, 1 - ALPHA / 2) * errors
    strictest = stdtrit(freedom, 1 - ALPHA / len(arms) / 2) + stdtrit(freedom, POWER)
    return Contrasts(
        arms=tuple(
            Contrast(float(d), float(d - h), float(d + h), float(p))
            for d, h, p in zip(differences, half, p_values, strict=True)
        ),
        between_trainings=between**0.5,
        detectable=float((strictest * errors).max()),
    )


def score_arms(
    arms: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    samples: Samples,
    readers: Sequence[str],
    engine: Engine,
) -> dict[str, list[Run]]:
    """Restore the samples with every training of every arm, and score them; by arm, a run per training.

    Args:
        arms: Their names; `out/weights/<arm>-<seed>.safetensors` are LP-Diff weights.
        seeds: Of the trainings.
        out: The folder of the trainings; predictions and runs go to `out/results`.
        samples: What to restore.
        readers: Names; the first one ranks.
        engine: Where.
    """
    folder = out / "results"
    plan = ScoringPlan.from_names(readers, lpips_net(), fid=False)
    found: dict[str, list[Run]] = {arm: [] for arm in arms}
    for arm in arms:
        for seed in seeds:
            name = f"{arm}-{seed}"
            method = described(
                out / "weights" / f"{name}.safetensors", name=name, title=name, is_bundled=False
            )
            made = predict(method, samples, folder / "predictions" / name, engine=engine)
            found[arm] += score([made], samples, [folder / "runs" / name], plan, engine=engine)
    return found


def ablation_part(runs: Mapping[str, Sequence[Run]], minutes: Mapping[str, float]) -> str:
    """Two tables: what each arm reaches, and how far it is from the whole network.

    Args:
        runs: By arm a run per training; the first arm is the whole network.
        minutes: By arm, CPU minutes of one training.
    """
    whole, *others = runs
    first = runs[whole][0]
    record = first.record
    columns = {
        record.column(name, place): record.readers[place].title if name == "ned" else ""
        for name in _METRICS
        for place in range(len(record.readers) if name == "ned" else 1)
        if name in first.summary and first.summary[name].mean is not None
    }
    infos = {column: METRICS[column.partition("@")[0]] for column in columns}
    titles = [", ".join(filter(None, (infos[column].title, reader))) for column, reader in columns.items()]
    clusters = Clusters(first.per_sample()["plate_id"].to_pylist())
    values = {
        column: {
            arm: np.stack([float_column(run.per_sample(), column) for run in own], axis=1)
            for arm, own in runs.items()
        }
        for column in columns
    }

    reached = _head(["arm", "parameters", "CPU min", *titles])
    for arm, own in runs.items():
        cells = [arm, f"{(own[0].record.method.parameters or 0) / 1e6:.2f} M", f"{minutes[arm]:.1f}"]
        for column in columns:
            means = values[column][arm].mean(axis=0)
            each = ", ".join(f"{mean:.{infos[column].decimals}f}" for mean in means)
            cells.append(f"{means.mean():.{infos[column].decimals}f} ({each})")
        reached.append(_row(cells))

    compared = [contrasts(clusters, own[whole], [own[arm] for arm in others]) for own in values.values()]
    against = _head([f"minus {whole}", *titles])
    for place, arm in enumerate(others):
        cells = [arm]
        for info, found in zip(infos.values(), compared, strict=True):
            one, digits = found.arms[place], f"+.{info.decimals}f"
            mark = "**" if one.p_holm < ALPHA else ""
            limits = f"[{one.low:{digits}}, {one.high:{digits}}]"
            cells.append(f"{mark}{one.difference:{digits}}{mark} {limits}")
        against.append(_row(cells))
    for title, numbers in (
        ("SD between trainings", [found.between_trainings for found in compared]),
        (f"found with a power of {POWER}", [found.detectable for found in compared]),
    ):
        shown = [f"{n:.{info.decimals}f}" for n, info in zip(numbers, infos.values(), strict=True)]
        against.append(_row([f"*{title}*", *shown]))

    note = (
        f"{record.dataset.n_samples} samples of {record.dataset.name}, protocol {record.protocol}, "
        f"{len(runs[whole])} trainings per arm, in round brackets each. In square brackets 95 % intervals "
        f"over plates and trainings; bold differences are significant (Holm over the arms, α = {ALPHA})."
    )
    return "\n\n".join(["\n".join(reached), "\n".join(against), note])


def training_minutes(arm: str, seeds: Sequence[int], out: Path) -> float:
    """CPU minutes of one training of an arm, the mean over its seeds, by the logs in `out`."""
    logs = [path for seed in seeds for path in sorted((out / f"{arm}-{seed}").glob("*/log.jsonl"))]
    last = [json.loads(path.read_text(encoding="utf-8").splitlines()[-1]) for path in logs]
    return float(sum(line["cpu_seconds"] for line in last)) / 60 / len(seeds)


def _head(cells: Sequence[str]) -> list[str]:
    return [_row(cells), "|:--|" + "--:|" * (len(cells) - 1)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
