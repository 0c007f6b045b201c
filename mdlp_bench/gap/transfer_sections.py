"""A transfer study in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from mdlp_bench.gap.report_model import RankAgreement, Recovery, TransferCell, TransferStudy
from mdlp_bench.gap.sections import Section, Table, interval, p_text
from mdlp_bench.harness.statistics.estimate import Estimate


def transfer_sections(found: TransferStudy) -> list[Section]:
    """The sections of parts three to five."""
    sections = [_costs(found)]
    if found.agreements:
        sections.append(_ranks(found.agreements))
    if found.figures:
        sections.append(_looks(found))
    return sections


def _costs(found: TransferStudy) -> Section:
    settings = found.settings
    real = found.parts[0].name
    trained = [
        f"Every method is trained for {settings.steps:,} steps on each set and tested on each; by a hash of "
        f"their ids {100 * settings.test_share:.0f} % of the plates are for tests, the same in all sets, so "
        "that no network has seen a plate it is tested on. Intervals resample plates.",
        "Mixed: real training plates are added to the synthetic ones. Fine-tuned: "
        f"{settings.fine_tuning_steps:,} further steps on all real training plates. Excess is the NED above "
        f"that of the same method trained on {real}, on the same plates (p: Holm over a method and set). "
        "Recovered is the share of the excess without real plates that is gone; it is left empty where that "
        "excess may be chance.",
    ]
    untrained = ["No method is trained here: each is tested on all plates. Intervals resample plates."]
    words = [*(trained if settings.steps else untrained), *found.notes]
    parts = Table(
        "Plates (samples) of both parts",
        ("set", "training", "test"),
        tuple(
            (one.name, f"{one.train_plates:,} ({one.train:,})", f"{one.test_plates:,} ({one.test:,})")
            for one in found.parts
        ),
    )
    tables = [parts, *_matrices(found)]
    if found.drops:
        tables.append(
            Table(
                f"Real-test drop: NED on {real} minus NED on the set it was trained on",
                ("method", "trained on", "drop"),
                tuple((one.method, one.synthetic, interval(one.drop)) for one in found.drops),
            )
        )
    if found.recoveries:
        header = ("method", "trained on", "real plates", "NED", "excess", "p", "recovered")
        rows = tuple(map(_recovery_row, found.recoveries))
        tables.append(Table(f"What real plates recover, tested on {real}", header, rows))
    return Section("What it costs", tuple(words), tuple(tables))


def _matrices(found: TransferStudy) -> list[Table]:
    """One table per method: trained on (row), tested on (column)."""
    names = [one.name for one in found.parts]
    alone = [cell for cell in found.cells if not cell.real_plates]
    alone.sort(key=lambda cell: cell.method)
    tables = []
    for method, cells in groupby(alone, key=lambda cell: cell.method):
        by_place = {(cell.trained_on, cell.tested_on): cell for cell in cells}
        rows = names if any(row is not None for row, _ in by_place) else [None]
        tables.append(
            Table(
                f"{method}, tested on: NED, LPIPS ({found.settings.lpips}), PSNR",
                ("trained on", *names),
                tuple(
                    (row or "nothing here", *(_scores(by_place[row, column]) for column in names))
                    for row in rows
                ),
            )
        )
    return tables


def _scores(cell: TransferCell) -> str:
    found = (_or_dash(cell.ned, 3), _or_dash(cell.lpips, 3), _or_dash(cell.psnr, 1))
    return ", ".join(found)


def _or_dash(estimate: Estimate | None, decimals: int) -> str:
    return "–" if estimate is None else interval(estimate, decimals)


def _recovery_row(one: Recovery) -> tuple[str, ...]:
    if one.fine_tuned:
        seen = f"{one.real_plates:,}, fine-tuned"
    else:
        seen = f"{one.real_plates:,} ({one.percent} %)" if one.real_plates else "none"
    recovered = "" if one.recovered is None else f"{100 * one.recovered:.0f} %"
    return (
        one.method,
        one.synthetic,
        seen,
        interval(one.ned),
        interval(one.excess),
        p_text(one.p_value),
        recovered,
    )


def _ranks(agreements: Sequence[RankAgreement]) -> Section:
    words = (
        "Methods are ordered by NED on a set's test plates; those that are trained learned from that set's "
        "training plates. 1 is the same order, -1 the reverse. Intervals resample the plates of both sets.",
    )
    table = Table(
        "Does a synthetic ranking predict the real one?",
        ("set", "Kendall's tau", "Spearman's rho", "order there", "order on real"),
        tuple(
            (
                one.synthetic,
                interval(one.kendall, 2),
                interval(one.spearman, 2),
                ", ".join(one.synthetic_order),
                ", ".join(one.real_order),
            )
            for one in agreements
        ),
    )
    return Section("Do ranks carry over", words, (table,))


def _looks(found: TransferStudy) -> Section:
    real = found.parts[0].name
    words = (
        f"Test plates of {real}, evenly spaced from the easiest to the hardest: their frames, restored by "
        "the method trained on each synthetic set and on the real one, and the ground truth. Below each "
        "image stands what the reader saw in it; wrong characters are red and underlined.",
    )
    charts = tuple(
        (name, f"Frames, {method} trained on each set, and ground truth of real plates")
        for method, name in found.figures.items()
    )
    return Section("What it looks like", words, (), charts)
