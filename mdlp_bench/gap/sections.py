"""A study in words and tables, the same for HTML and Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mdlp_bench.gap.measure import INFO, READER
from mdlp_bench.gap.report_model import FeatureGap, GapStudy, SetGap
from mdlp_bench.harness.statistics.estimate import Estimate

FRECHET_NAMES: Final = {"reader": ("FRD", "KRD"), "inception": ("FID", "KID")}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first column names the row."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report.

    Attributes:
        title: Its heading.
        paragraphs: Text before the tables.
        tables: Tables.
        charts: File names of its charts in `figures/` with their alternative texts.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[tuple[str, str], ...] = field(default=())


def study_sections(study: GapStudy) -> list[Section]:
    """The sections of parts one and two."""
    return [_overview(study), _differences(study), _amounts(study), _caveats(study)]


def markdown(title: str, sections: list[Section]) -> str:
    """The report as Markdown; charts are linked in `figures/`."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        for paragraph in section.paragraphs:
            lines += [paragraph, ""]
        for name, alternative in section.charts:
            lines += [f"![{alternative}](figures/{name})", ""]
        for table in section.tables:
            lines += [f"**{table.caption}**", "", _row(table.header), "|---" * len(table.header) + "|"]
            lines += [*map(_row, table.rows), ""]
    return "\n".join(lines)


def interval(estimate: Estimate, decimals: int = 3) -> str:
    """`0.123 [0.100, 0.150]`."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{decimals}f}"
    return f"{estimate.value:.{decimals}f} [{estimate.low:.{decimals}f}, {estimate.high:.{decimals}f}]"


def p_text(p_value: float) -> str:
    """`< 0.001` or three decimals."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _overview(study: GapStudy) -> Section:
    level = 1 - study.settings.confidence
    sets = Table(
        "Sets",
        ("set", "given as", "samples", "plates", "plates shared with real"),
        tuple(
            (one.name, one.spec, f"{one.n:,}", f"{one.n_plates:,}", shared)
            for one, shared in zip(
                (study.real, *study.synthetic),
                ("", *(f"{gap.shared_plates:,}" for gap in study.gaps)),
                strict=True,
            )
        ),
    )
    closest_first = sorted(study.gaps, key=lambda gap: gap.mean_standardised)
    summary = Table(
        "How far each set is from real, the closest first",
        ("set", "mean distance", "statistics that differ", "KRD", "told from real"),
        tuple(
            (
                gap.name,
                f"{gap.mean_standardised:.2f}",
                f"{len(gap.differing(level))} of {len(gap.statistics)}",
                _kernel(gap, READER),
                interval(gap.classifier.accuracy, 2) if gap.classifier else "too few plates",
            )
            for gap in closest_first
        ),
    )
    return Section("Overview", tuple(_verdict(gap, level) for gap in closest_first), (sets, summary))


def _verdict(gap: SetGap, level: float) -> str:
    differing = gap.differing(level)
    found = f"{gap.name}: {len(differing)} of {len(gap.statistics)} statistics differ from real"
    if differing:
        found += " (" + ", ".join(INFO[one.name].title for one in differing[:3]) + " most)"
    if gap.classifier is None:
        return found + "."
    accuracy = gap.classifier.accuracy
    told = f"{100 * accuracy.value:.0f} % of held-out frames"
    if accuracy.low is not None and accuracy.low > 0.5:
        return f"{found}; a small network tells {told} from real ones (50 % is chance)."
    return f"{found}; a small network does not tell it from real better than chance ({told})."


def _differences(study: GapStudy) -> Section:
    settings = study.settings
    words = (
        "Statistics are means over a sample's first three frames. Distances are Wasserstein's, divided by "
        "the standard deviation of both sets pooled (0: equal; 2: two different constants), with "
        f"{100 * settings.confidence:g} % intervals from {settings.resamples:,} bootstrap resamples of "
        "plates. p-values are those of the Kolmogorov-Smirnov distance under "
        f"{settings.permutations:,} relabellings of plates, corrected over the statistics of a set (Holm).",
    )
    tables = tuple(
        Table(
            f"{gap.name} against {study.real.name}, the largest difference first",
            ("statistic", "unit", "real", gap.name, "Wasserstein", "standardised", "KS", "p", "n"),
            tuple(
                (
                    INFO[one.name].title,
                    INFO[one.name].unit,
                    f"{one.real_median:.3g}",
                    f"{one.synthetic_median:.3g}",
                    f"{one.wasserstein.value:.3g}",
                    interval(one.standardised, 2),
                    f"{one.ks:.2f}",
                    p_text(one.p_holm),
                    f"{one.n_real} + {one.n_synthetic}",
                )
                for one in gap.statistics
            ),
        )
        for gap in study.gaps
    )
    charts = (
        ("distances.png", "Standardised distance of each statistic and set to real"),
        ("distributions.png", "Distribution of each statistic in every set"),
    )
    return Section("What differs", words, tables, charts)


def _amounts(study: GapStudy) -> Section:
    words = (
        "FRD and KRD are Fréchet and kernel distance of the text reader's features of each sample's last "
        "frame, FID and KID those of Inception's. The floor is what two plate-disjoint halves of the real "
        "set give. The permutation test is that of the maximum mean discrepancy with a Gaussian kernel; "
        "plates are relabelled. The classifier is a small network that is shown one frame; folds keep plates "
        "together.",
        *(f"Not available: {name}: {reason}." for name, reason in study.unavailable.items()),
    )
    distances = Table(
        "Distances of features to real",
        ("set", "features", "Fréchet", "floor", "kernel", "floor", "MMD", "p"),
        tuple(_feature_row(gap.name, one) for gap in study.gaps for one in gap.features),
    )
    told = Table(
        "Classifier two-sample test",
        ("set", "told right", "folds"),
        tuple(
            (gap.name, interval(gap.classifier.accuracy, 3), str(gap.classifier.folds))
            for gap in study.gaps
            if gap.classifier
        ),
    )
    names = [study.real.name, *(one.name for one in study.synthetic)]
    by_pair = {frozenset((one.first, one.second)): one for one in study.pairs}

    def cell(row: str, column: str) -> str:
        if row == column:
            return ""
        pair = by_pair[frozenset((row, column))]
        kernel = "" if pair.kernel is None else f" / {pair.kernel:.3f}"
        return f"{pair.mean_standardised:.2f}{kernel}"

    matrix = Table(
        "Every set against every other: mean standardised distance / KRD",
        ("", *names),
        tuple((row, *(cell(row, column) for column in names)) for row in names),
    )
    charts = (("embedding.png", "Samples of all sets by the first two principal components"),)
    return Section(
        "How much", words, tuple(table for table in (distances, told, matrix) if table.rows), charts
    )


def _caveats(study: GapStudy) -> Section:
    notes = [f"{gap.name}: {note}" for gap in study.gaps for note in gap.notes]
    always = (
        "A difference of content (layouts, provinces, how plates are cropped) is a difference too. There is "
        "none where both sets have the same plates (FOLDER@RECIPE with the real folder)."
    )
    return Section("What this cannot tell", (*notes, always))


def _feature_row(name: str, one: FeatureGap) -> tuple[str, ...]:
    frechet, kernel = FRECHET_NAMES.get(one.features, ("Fréchet", "kernel"))

    def floor(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    return (
        name,
        one.features,
        f"{frechet} {one.frechet:.3f}",
        floor(one.frechet_floor),
        f"{kernel} {interval(one.kernel)}",
        floor(one.kernel_floor),
        f"{one.mmd:.4f}",
        p_text(one.p_value),
    )


def _kernel(gap: SetGap, features: str) -> str:
    return next((interval(one.kernel) for one in gap.features if one.features == features), "no reader")


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
