"""Run a study from sets to report: open or make the sets, measure, compare, draw, write."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mdlp_bench.engine import SERIAL, Engine
from mdlp_bench.errors import MissingWeightsError
from mdlp_bench.files import write_json, write_text
from mdlp_bench.gap import figures
from mdlp_bench.gap.measure import FRAMES, Measured, measure
from mdlp_bench.gap.report_model import GAP, GapReport, GapStudy, SetSummary, StudySettings
from mdlp_bench.gap.sections import Section, markdown, study_sections
from mdlp_bench.gap.sets import GapSet, SetSpec, open_set, unique_names
from mdlp_bench.gap.study import compare_sets, embed, pair_gaps
from mdlp_bench.gap.transfer_sections import transfer_sections
from mdlp_bench.progress import say
from mdlp_bench.readers import AUTO, load_reader, reader_for
from mdlp_bench.readers.reach import beyond_reach
from mdlp_bench.report import Card, picture, write_report

if TYPE_CHECKING:
    from mdlp_bench.readers.base import Reader

REPORT: Final = "report.html"
MARKDOWN: Final = "report.md"
TITLE: Final = "Domain gap"

logger = logging.getLogger(__name__)


def open_sets(
    specs: Sequence[SetSpec],
    out: Path,
    *,
    limit: int,
    seed: int = 0,
    labels: Path | None = None,
    engine: Engine = SERIAL,
) -> list[GapSet]:
    """Open the sets of a study, the real one first; sets that recipes make are written to `out/data`.

    `labels` lists texts of the real set, which sets that are made of its ground truths get too.

    Raises:
        DataError: As in `open_set`.
    """
    names = unique_names(specs)
    with engine.kept() as kept:
        return [
            open_set(
                spec,
                name,
                out / "data",
                limit=limit,
                seed=seed,
                engine=kept,
                labels=labels if spec.source == specs[0].source else None,
            )
            for spec, name in zip(specs, names, strict=True)
        ]


def study_reader(spec: str, sets: Sequence[GapSet]) -> Reader:
    """Load the reader of a study; a set with texts that it cannot know is logged.

    Args:
        spec: As for `load_reader`, or `auto`: the bundled one that can read most texts of the first set.
        sets: The sets of the study.
    """
    reader = load_reader(reader_for(sets[0].samples.column("text")) if spec == AUTO else spec)
    for one in sets:
        if beyond := beyond_reach(reader.descriptor, one.samples.column("text")):
            logger.warning("%s: %s", one.name, beyond)
    return reader


def run_study(
    sets: Sequence[GapSet],
    specs: Sequence[str],
    out: Path,
    settings: StudySettings,
    reader: Reader | None,
    *,
    device: str = "cpu",
    engine: Engine = SERIAL,
) -> tuple[GapStudy, list[Measured]]:
    """Measure and compare sets and draw the charts into `out/figures`.

    Args:
        sets: The real set and the synthetic ones.
        specs: What was typed for each.
        out: The report's folder.
        settings: How the study is made.
        reader: For NED and features; None leaves them out.
        device: Where the reader and Inception compute.
        engine: Where frames are measured and the classifier's folds trained.

    Raises:
        DataError: A set cannot be measured, or has fewer than three plates.
    """
    from mdlp_bench.metrics.inception import InceptionFeatures

    inception, unavailable = None, {}
    try:
        inception = InceptionFeatures(device)
    except MissingWeightsError as error:
        unavailable["FID and KID"] = str(error)
    measured, gaps = [], []
    placed = None if reader is None else reader.to(device)
    with engine.kept() as kept:
        for one in sets:
            say(f"measuring {one.name}")
            measured.append(
                measure(
                    one.samples,
                    one.name,
                    placed,
                    limit=settings.limit,
                    seed=settings.seed,
                    inception=inception,
                    engine=kept,
                )
            )
        real, *synthetic = measured
        for other in synthetic:
            say(f"comparing {other.name} with {real.name}")
            gaps.append(compare_sets(real, other, settings, engine=kept))
    summaries = [
        SetSummary(
            name=one.name,
            spec=spec,
            fingerprint=opened.samples.fingerprint,
            n=len(one),
            n_plates=one.n_plates,
        )
        for one, opened, spec in zip(measured, sets, specs, strict=True)
    ]
    study = GapStudy(
        settings=settings,
        real=summaries[0],
        synthetic=tuple(summaries[1:]),
        gaps=tuple(gaps),
        pairs=pair_gaps(measured),
        unavailable=unavailable,
    )
    figures.distances_chart(study, out / "figures" / "distances.png")
    figures.distributions_chart(measured, out / "figures" / "distributions.png")
    name, places = embed(measured)
    title = f"Principal components of the {name} features"
    figures.embedding_chart(measured, places, title, out / "figures" / "embedding.png")
    return study, measured


def write_gap_report(report: GapReport, sets: Sequence[GapSet], out: Path) -> None:
    """Write `gap.json`, `report.html` (self-contained) and `report.md` beside the figures.

    Raises:
        DataError: A sample that is shown cannot be decoded.
        MdlpBenchError: A file cannot be written.
    """
    sections = study_sections(report.study)
    if report.transfer is not None:
        # The section on what the study cannot tell stays last.
        sections[-1:-1] = transfer_sections(report.transfer)
    write_json(out / GAP, report.model_dump(mode="json"))
    write_text(out / MARKDOWN, markdown(TITLE, sections) + "\n")
    write_report(
        out / REPORT,
        "gap.html",
        title=TITLE,
        sections=sections,
        charts=_embedded(sections, out / "figures"),
        examples=_examples(report.study, sets),
    )


def _embedded(sections: Sequence[Section], folder: Path) -> dict[str, str]:
    """The charts as data URIs."""
    names = [name for section in sections for name, _ in section.charts]
    return {
        name: "data:image/png;base64," + base64.b64encode((folder / name).read_bytes()).decode("ascii")
        for name in names
    }


def _examples(study: GapStudy, sets: Sequence[GapSet]) -> list[tuple[str, list[Card]]]:
    """Headings and cards of the most telling samples of each comparison, each way."""
    real = sets[0]
    shown = []
    for gap, synthetic in zip(study.gaps, sets[1:], strict=True):
        if gap.classifier is None:
            continue
        for heading, one, ids in (
            ("real, most typical", real, gap.classifier.telling_real),
            ("synthetic, most typical", synthetic, gap.classifier.telling_synthetic),
            ("real, taken for synthetic", real, gap.classifier.passing_real),
            ("synthetic, taken for real", synthetic, gap.classifier.passing_synthetic),
        ):
            if ids:
                shown.append((f"{synthetic.name}: {heading}", _cards(one, ids)))
    return shown


def _cards(one: GapSet, ids: Sequence[str]) -> list[Card]:
    by_id = {sample.sample_id: sample for sample in one.samples.select(sample_ids=ids)}
    return [
        Card(
            f"{name} {by_id[name].text or ''}".strip(),
            tuple(
                picture(frame, f"frame {number}")
                for number, frame in enumerate(by_id[name].decode_frames(FRAMES), start=1)
            ),
        )
        for name in ids
    ]
