"""Audit a data set: read everything once, compare, report, quarantine."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from mdlp_bench.curate.audit.columns import Gathered
from mdlp_bench.curate.audit.compare import balance, compare
from mdlp_bench.curate.audit.examine import Examined, examine_ids
from mdlp_bench.curate.audit.findings import CHECKS, Audit, AuditConfig, Finding
from mdlp_bench.data.manifest import QUARANTINE, read_quarantine
from mdlp_bench.data.problem import Problem, ProblemCode
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine, Loaded, chunks
from mdlp_bench.errors import DataError
from mdlp_bench.files import write_json
from mdlp_bench.progress import progress_bar
from mdlp_bench.readers.registry import load_readers
from mdlp_bench.report import Card, Picture, picture_of, write_report

SHOWN: Final = 40
"""Findings of each kind whose pictures the HTML report shows."""

_CHUNK: Final = 1024
_SAMPLES_SHOWN: Final = 4

_PROBLEM_CHECKS: Final[Mapping[ProblemCode, str | None]] = {
    "broken-image": "broken",
    "order-unclear": "order-unclear",
    # These are found again on the rows, without the samples that are in quarantine or not selected.
    "missing-gt": None,
    "text-grammar": None,
    "quarantined": None,
    "duplicate-scene": None,
    "no-plate": None,
    "ignored-column": None,
}
"""The check for each problem code of a source; `layout` for the others."""


def audit(
    samples: Samples,
    config: AuditConfig | None = None,
    *,
    reader: str | None = None,
    engine: Engine = SERIAL,
) -> Audit:
    """Look for leaks, duplicates, broken and doubtful samples (see `CHECKS`).

    Every image is read once. Near duplicates are sought among the ground truths (the largest frame where
    there is none): degraded frames of different plates are alike. A sample costs 300 to 400 bytes of memory,
    a finding 320, and a sample one kilobyte of temporary files (in the directory that TMPDIR names).

    Args:
        samples: Any samples; all splits of a data set, or leaks between them cannot be seen.
        config: Thresholds.
        reader: Name or path of a reader (see `load_reader`) that labels are compared with.
        engine: Where the work is done; the result does not depend on it.

    Raises:
        DataError: There are no samples, or the data set as a whole cannot be read.
        ReaderError: The reader cannot be loaded.
    """
    config = config or AuditConfig()
    splits = {split: len(ids) for split, ids in samples.candidates().items()}
    if not splits:
        raise DataError(f"{samples.name}: there is no sample to audit")
    loaded = Loaded(load_readers, () if reader is None else (reader,))
    listed = chain(samples.listing_problems(), samples.check_shards())
    findings = [finding for problem in listed for finding in _from_problem(problem)]
    with tempfile.TemporaryFile() as signatures, progress_bar(sum(splits.values()), "Auditing") as bar:
        gathered = Gathered(signatures)
        work = partial(examine_ids, samples, config, loaded)
        parts = (part for ids in samples.candidates().values() for part in chunks(ids, _CHUNK))
        for results in engine.map(work, parts):
            for item in results:
                if isinstance(item, Problem):
                    findings += _from_problem(item)
                else:
                    place = (item.sample_id,), (item.split,)
                    findings += [Finding.of(code, message, *place) for code, message in item.faults]
            gathered.add([item for item in results if isinstance(item, Examined)])
            bar.update(len(results))
        columns = gathered.columns()
        findings += compare(columns, config)
    order = {code: number for number, code in enumerate(CHECKS)}
    findings.sort(key=lambda finding: order[finding.code])
    found = Counter(finding.code for finding in findings)
    used = [one.descriptor for one in loaded.value]
    return Audit(
        name=samples.name,
        config=config,
        reader=f"{used[0].name} {used[0].version}" if used else None,
        samples=sum(splits.values()),
        quarantined=sum(problem.code == "quarantined" for problem in samples.listing_problems()),
        plates=len(np.unique(columns.names)),
        splits=splits,
        counts={code: found[code] for code in CHECKS if found[code]},
        leaks=sum(finding.severity == "leak" for finding in findings),
        balance=balance(columns),
        findings=tuple(findings),
    )


def quarantine(found: Audit, samples: Samples, folder: Path) -> dict[str, str]:
    """Put samples on the quarantine list of a data set folder; nothing is deleted.

    Broken samples go on it. Of samples that must not be together, some stay and the others go on it. Across
    splits, those in the largest of the splits stay (ties: the first by name), so that the splits on which
    results are reported never keep a plate that was trained on. Within a split, the first one stays. A person
    must decide about doubtful labels and ground truths.

    Args:
        found: The audit.
        samples: The samples that were audited; their order and splits decide.
        folder: Where the data set's loader looks for the list.

    Returns:
        The samples that are new on the list, with the reason.

    Raises:
        DataError: The list there is damaged.
        MdlpBenchError: It cannot be written.
    """
    concerned = {i for f in found.findings if CHECKS[f.code].fix != "none" for i in f.sample_ids}
    place = {i: split for split, ids in samples.candidates().items() for i in ids if i in concerned}
    listed = read_quarantine(folder)
    added: dict[str, str] = {}
    for finding in found.findings:
        fix = CHECKS[finding.code].fix
        if fix == "none":
            continue
        present = [i for i in finding.sample_ids if i in place and i not in added]
        leaving = present
        if fix == "all but one" and present:
            home = min({place[i] for i in present}, key=lambda split: (-found.splits.get(split, 0), split))
            staying = [i for i in present if place[i] == home]
            if finding.severity != "leak":
                staying = staying[:1]
            leaving = [i for i in present if i not in set(staying)]
        added |= dict.fromkeys(leaving, f"{finding.code}: {finding.message}")
    added = {sample_id: reason for sample_id, reason in added.items() if sample_id not in listed}
    if added:
        write_json(folder / QUARANTINE, dict(sorted((listed | added).items())))
    return added


def write_html(found: Audit, samples: Samples, target: Path) -> None:
    """Write the audit as a self-contained page with the offending pictures.

    Raises:
        MdlpBenchError: It cannot be written.
    """
    by_code: dict[str, list[Finding]] = defaultdict(list)
    for finding in found.findings:
        by_code[finding.code].append(finding)
    shown = {i for group in by_code.values() for f in group[:SHOWN] for i in f.sample_ids[:_SAMPLES_SHOWN]}
    pictures = dict(_pictures(samples, shown))
    sections = [
        {
            "code": code,
            "meaning": CHECKS[code].meaning,
            "hidden": max(0, len(group) - SHOWN),
            "cards": [_card(finding, pictures) for finding in group[:SHOWN]],
        }
        for code, group in by_code.items()
    ]
    summary = [
        {"code": code, "count": count, "severity": CHECKS[code].severity, "meaning": CHECKS[code].meaning}
        for code, count in found.counts.items()
    ]
    write_report(
        target,
        "audit.html",
        title=f"Audit of {found.name}",
        audit=found,
        summary=summary,
        sections=sections,
        balance={
            name: {value: f"{share:.1%}" for value, share in shares.items()}
            for name, shares in found.balance.items()
        },
        config=found.config.model_dump(),
    )


def _from_problem(problem: Problem) -> list[Finding]:
    code = _PROBLEM_CHECKS.get(problem.code, "layout")
    if code is None:
        return []
    ids = () if problem.sample_id is None else (problem.sample_id,)
    splits = () if problem.split is None else (problem.split,)
    return [Finding.of(code, problem.message, ids, splits)]


def _pictures(samples: Samples, shown: set[str]) -> Iterator[tuple[str, tuple[Picture, ...]]]:
    """By sample id the pictures of a report: frames, then ground truth."""
    wanted = [i for ids in samples.candidates().values() for i in ids if i in shown]
    for sample in samples.load(wanted):
        if isinstance(sample, Problem):
            continue
        captions = [*(f"frame {number}" for number in sample.frame_indices), "ground truth"]
        named = zip(captions, sample.named_images(), strict=False)
        yield sample.sample_id, tuple(picture_of(image.content, caption) for caption, (_, image) in named)


def _card(finding: Finding, pictures: Mapping[str, tuple[Picture, ...]]) -> Card:
    ids = finding.sample_ids[:_SAMPLES_SHOWN]
    shown: list[Picture] = []
    for sample_id in ids:
        # With several samples, the ground truths (the last pictures) are compared.
        own = pictures.get(sample_id, ())
        shown += own if len(ids) == 1 else [Picture(p.uri, f"{sample_id}, {p.caption}") for p in own[-1:]]
    return Card(finding.message, tuple(shown))
