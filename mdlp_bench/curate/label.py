"""Labels for data sets without any: readers vote on every plate, and a person decides the doubtful ones.

Every reader reads the ground truth of a sample and those of its frames that are about as sharp (without a
ground truth the sharpest frames). `vote` joins the readings character by character. A text is sure when it is
a plate of a known grammar, at least two readers and more than half of them read it whole, and its weakest
character has the confidence that is asked for. A plate on which the readings hardly agree is unreadable.
Everything between is doubtful and goes to a person.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, fields
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from mdlp_bench.curate.audit.examine import comparable_sharpness
from mdlp_bench.curate.pairing.consensus import vote
from mdlp_bench.data.labelled import match_labels
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import SERIAL, Engine, Loaded, chunks
from mdlp_bench.errors import DataError
from mdlp_bench.files import csv_text, read_json, sha256_bytes, write_json, write_text
from mdlp_bench.frozen import Frozen
from mdlp_bench.images import ImageU8
from mdlp_bench.plate import CHINESE, grammar_of, grammars, is_unreadable, normalise
from mdlp_bench.progress import progress_bar
from mdlp_bench.readers.base import Reader, Reading
from mdlp_bench.readers.registry import load_readers
from mdlp_bench.report import picture, write_report
from mdlp_bench.schema import Sample

LABELS: Final = "labels.csv"
PAGE: Final = "doubtful.html"
REPORT: Final = "label.json"
READINGS: Final = "readings.jsonl"

Status = Literal["sure", "doubtful", "unreadable", "label", "person"]
"""What a text rests on: a vote, nothing yet, a label that was there before, or a person."""

UNREADABLE: Final = "#"

_CHUNK: Final = 64
_MAX_FRAMES: Final = 5
_SHOWN_FRAMES: Final = 3
_SHOWN_HEIGHT: Final = 112


class LabelConfig(Frozen):
    """Thresholds of `label`.

    Attributes:
        sure_confidence: Confidence of the weakest character from which a text is sure; see `Consensus`.
        unreadable_below: Confidence of the weakest character below which a plate is unreadable.
        sharp_share: A frame is read when its sharpness is this share of that of the ground truth.
        max_shown: Plates on the page for a person, at most; the report says how many there are.
    """

    sure_confidence: float = Field(default=0.6, ge=0, le=1)
    unreadable_below: float = Field(default=0.2, ge=0, le=1)
    sharp_share: float = Field(default=0.9, gt=0)
    max_shown: int = Field(default=1000, ge=0)


@dataclass(frozen=True, slots=True)
class Votes:
    """The readings of one sample.

    Attributes:
        sample_id: The sample.
        plate_id: Its plate, as known before.
        split: Its split.
        text: Its text as known before, normalised, or None.
        images: How many images were read.
        digest: SHA-256 of the image shown to a person, which tells copies apart from two plates of one text.
        readings: By reader, what it read in each image: text and character confidences.
        content: See `_content_of`; empty in readings of earlier versions.
    """

    sample_id: str
    plate_id: str
    split: str
    text: str | None
    images: int
    digest: str
    readings: tuple[tuple[tuple[str, tuple[float, ...]], ...], ...]
    content: str = ""


@dataclass(frozen=True, slots=True)
class LabelledPlate:
    """One line of `labels.csv`.

    Attributes:
        sample_id: The sample.
        text: The text that is taken; empty when it is not sure, `#` where a person says it cannot be read.
        text_origin: `reader`, `person` or `label`; empty without a text.
        status: See `Status`.
        proposal: What the vote says, whether it is taken or not.
        confidence: Of the weakest character of the proposal, in [0, 1].
        weakest: Which character that is, from 1; 0 without a proposal.
        agreeing: How many readers read the proposal whole.
        votes: What each reader says, in their order, joined by `|`.
    """

    sample_id: str
    text: str
    text_origin: str
    status: Status
    proposal: str
    confidence: float
    weakest: int
    agreeing: int
    votes: str


class LabelReport(Frozen):
    """The result of `label`.

    Attributes:
        name: Name of the data set.
        readers: Name and version of each reader.
        config: Every threshold.
        counts: Samples by status.
        sure_of_labelled: Of the samples with a label, those on which the votes would be sure without it.
        conflicts: Samples whose label differs from a sure vote: id, label, vote.
        same_text: Texts of several samples whose pictures differ: one plate seen again, or a misreading.
        left_out: Samples that cannot be read as pictures, with reasons.
        unused_answers: Answers that fit no sample, or contradict each other.
    """

    schema_version: Literal[1] = 1
    name: str
    readers: tuple[str, ...]
    config: LabelConfig
    counts: dict[str, int]
    sure_of_labelled: int
    conflicts: tuple[tuple[str, str, str], ...]
    same_text: dict[str, tuple[str, ...]]
    left_out: dict[str, str]
    unused_answers: tuple[str, ...]


def label(
    samples: Samples,
    out: Path,
    readers: Sequence[str],
    config: LabelConfig | None = None,
    *,
    answers: Path | None = None,
    engine: Engine = SERIAL,
) -> LabelReport:
    """Read every plate, and write `labels.csv`, `doubtful.html`, `label.json` and the readings.

    The readings are kept as they come: the same call goes on after an interruption, and with `answers` or
    other thresholds reads nothing again.

    Args:
        samples: Any samples; labels that are there already are kept, and compared with the votes.
        out: Folder to write.
        readers: Names or paths of at least two readers (see `load_reader`).
        config: Thresholds.
        answers: A label list by a person, such as the page `doubtful.html` makes; `#` says that a plate
            cannot be read. It counts more than votes and labels.
        engine: Where to read; the result does not depend on it.

    Raises:
        DataError: There are fewer than two readers, no samples, or `out` holds the labels of something else.
        ReaderError: A reader cannot be loaded.
        MdlpBenchError: The folder cannot be written.
    """
    config = config or LabelConfig()
    if len(set(readers)) < 2:
        raise DataError("labels need the votes of at least two readers; give --readers crnn,ppocrv4,clpr")
    loaded = Loaded(load_readers, tuple(readers))
    names = tuple(f"{r.descriptor.name} {r.descriptor.version}" for r in loaded.value)
    _claim(out, samples, names, config.sharp_share)
    lines, unused = match_labels(samples, answers) if answers is not None else ({}, [])
    plates: list[LabelledPlate] = []
    sure_of_labelled = 0
    conflicts: list[tuple[str, str, str]] = []
    left_out: dict[str, str] = {}
    seen: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    total = sum(len(ids) for ids in samples.candidates().values())
    with progress_bar(total, "Reading") as bar:
        for item in bar.over(_votes(samples, out / READINGS, loaded, config, engine)):
            if isinstance(item, Problem):
                left_out[item.sample_id or ""] = item.message
                continue
            answer = lines[item.sample_id].text if item.sample_id in lines else ""
            plate = _judge(item, config, answer)
            plates.append(plate)
            if item.text and _is_sure(plate, len(names), config):
                sure_of_labelled += 1
                if plate.proposal != item.text and not answer:
                    conflicts.append((plate.sample_id, item.text, plate.proposal))
            if plate.status != "unreadable" and plate.text:
                known = item.plate_id if item.plate_id not in (item.sample_id, item.text) else item.digest
                seen[plate.text][known].append(plate.sample_id)
    if not plates:
        raise DataError(f"{samples.name}: no sample can be read; `mdlp-bench data inspect` says why")
    report = LabelReport(
        name=samples.name,
        readers=names,
        config=config,
        counts=dict(Counter(plate.status for plate in plates)),
        sure_of_labelled=sure_of_labelled,
        conflicts=tuple(conflicts),
        same_text={
            text: tuple(sample_id for ids in groups.values() for sample_id in ids)
            for text, groups in sorted(seen.items())
            if len(groups) > 1
        },
        left_out=left_out,
        unused_answers=tuple(problem.message for problem in unused),
    )
    header = [field.name for field in fields(LabelledPlate)]
    write_text(out / LABELS, csv_text([header, *map(astuple, plates)]))
    write_json(out / REPORT, report.model_dump(mode="json"))
    _write_page(out / PAGE, report, samples, plates, config)
    return report


def _claim(out: Path, samples: Samples, readers: Sequence[str], sharp_share: float) -> None:
    """Make the folder, or check that its readings are of these samples and readers."""
    ids = [sample_id for found in samples.candidates().values() for sample_id in found]
    if not ids:
        raise DataError(f"{samples.name}: there is no sample to label")
    work = {
        "name": samples.name,
        "samples": sha256_bytes("\n".join(ids).encode()),
        "readers": list(readers),
        "sharp_share": sharp_share,
    }
    mark = out / ".labelling.json"
    if mark.is_file():
        if read_json(mark) != work:
            raise DataError(f"{out}: holds labels of other samples or readers; choose another folder")
    elif out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out}: is not empty; choose a new folder")
    else:
        write_json(mark, work)


def _votes(
    samples: Samples,
    path: Path,
    readers: Loaded[list[Reader]],
    config: LabelConfig,
    engine: Engine,
) -> Iterator[Votes | Problem]:
    """The votes on every sample in order; what an earlier run read counts where the images are the same."""
    done = _read_done(path)
    earlier = {vote.sample_id: vote for found in done.values() for vote in found if isinstance(vote, Votes)}
    tasks = [tuple(part) for ids in samples.candidates().values() for part in chunks(ids, _CHUNK)]
    origins = [samples.origin(ids) for ids in tasks]
    missing = [
        (ids, {i: earlier[i] for i in ids if i in earlier})
        for ids, origin in zip(tasks, origins, strict=True)
        if origin not in done
    ]
    fresh = engine.map(partial(_read_chunk, samples, config, readers), missing)
    with path.open("a", encoding="utf-8") as stream:
        for origin in origins:
            if origin is not None and origin in done:
                found = done[origin]
            else:
                found = next(fresh)
                line = {"origin": origin, "samples": [[type(v).__name__, asdict(v)] for v in found]}
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
                stream.flush()
            yield from found


def _read_done(path: Path) -> dict[str, list[Votes | Problem]]:
    """The chunks of an earlier run; a line that was cut off by its end is read again."""
    done: dict[str, list[Votes | Problem]] = {}
    if not path.is_file():
        return done
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    if len(whole) < len(lines):
        write_text(path, "".join(whole))
    for line in whole:
        with suppress(ValueError, TypeError, KeyError):
            found = json.loads(line)
            if found["origin"] is not None:
                done[found["origin"]] = [_restored(kind, values) for kind, values in found["samples"]]
    return done


def _restored(kind: str, values: Mapping[str, Any]) -> Votes | Problem:
    if kind == "Problem":
        return Problem(**values)
    readings = tuple(
        tuple((text, tuple(confidences)) for text, confidences in reader) for reader in values["readings"]
    )
    return Votes(**{**values, "readings": readings})


def _read_chunk(
    samples: Samples,
    config: LabelConfig,
    readers: Loaded[list[Reader]],
    task: tuple[Collection[str], Mapping[str, Votes]],
) -> list[Votes | Problem]:
    """The votes on these samples; their pictures are read together, which is faster and changes nothing.

    Args:
        task: Ids, and what was read of some of them before.
    """
    ids, earlier = task
    items = list(samples.load(ids))
    sound = [item for item in items if isinstance(item, Sample)]
    contents = {sample.sample_id: _content_of(sample) for sample in sound}
    known = {i: old for i, old in earlier.items() if old.content == contents.get(i)}
    pictures = {s.sample_id: _readable(s, config) for s in sound if s.sample_id not in known}
    flat = [image for found in pictures.values() for image in found]
    by_reader = [iter(reader.read(flat) if flat else ()) for reader in readers.value]
    counts = {i: len(found) for i, found in pictures.items()} | {i: old.images for i, old in known.items()}
    readings = {i: old.readings for i, old in known.items()}
    for i, found in pictures.items():
        readings[i] = tuple(
            tuple((r.text, tuple(r.char_confidences)) for r in islice(read, len(found))) for read in by_reader
        )
    votes: list[Votes | Problem] = []
    for item in items:
        if isinstance(item, Problem):
            votes.append(item)
            continue
        shown = item.gt or (item.frames[-1] if item.frames else None)
        votes.append(
            Votes(
                sample_id=item.sample_id,
                plate_id=item.plate_id,
                split=item.split,
                text=normalise(item.text or "") or None,
                images=counts[item.sample_id],
                digest=sha256_bytes(shown.content) if shown else "",
                readings=readings[item.sample_id],
                content=contents[item.sample_id],
            )
        )
    return votes


def _content_of(sample: Sample) -> str:
    """What readings depend on: a hash of all images of a sample."""
    return sha256_bytes("".join(sha256_bytes(image.content) for _, image in sample.named_images()).encode())


def _readable(sample: Sample, config: LabelConfig) -> list[ImageU8]:
    """The ground truth, and the frames that are about as sharp; without it the sharpest frames."""
    gt = sample.decode_gt()
    frames = list(sample.decode_frames()) if sample.frames else []
    sharp = {place: comparable_sharpness(frame) for place, frame in enumerate(frames)}
    least = config.sharp_share * (
        max(sharp.values(), default=0.0) if gt is None else comparable_sharpness(gt)
    )
    best = sorted((p for p in sharp if sharp[p] >= least), key=lambda p: -sharp[p])[:_MAX_FRAMES]
    return [*([] if gt is None else [gt]), *(frames[p] for p in sorted(best))]


def _judge(votes: Votes, config: LabelConfig, answer: str) -> LabelledPlate:
    readings = [[Reading(text, confidences) for text, confidences in read] for read in votes.readings]
    joint = vote([reading for read in readings for reading in read])
    single = [vote(read).text for read in readings]
    found = LabelledPlate(
        sample_id=votes.sample_id,
        text="",
        text_origin="",
        status="doubtful",
        proposal=joint.text,
        confidence=round(joint.confidence, 4),
        weakest=1 + joint.char_confidences.index(joint.confidence) if joint.text else 0,
        agreeing=sum(text == joint.text for text in single),
        votes="|".join(single),
    )
    text, origin = "", ""
    status: Status = "doubtful"
    if answer:
        # The mark is kept, so that it also removes a label that was there before.
        text, origin = (UNREADABLE, "") if is_unreadable(answer) else (normalise(answer), "person")
        status = "unreadable" if text == UNREADABLE else "person"
    elif votes.text and not is_unreadable(votes.text):
        text, origin, status = votes.text, "label", "label"
    elif _is_sure(found, len(readings), config):
        text, origin, status = joint.text, "reader", "sure"
    elif joint.confidence < config.unreadable_below:
        status = "unreadable"
    return LabelledPlate(**{**asdict(found), "text": text, "text_origin": origin, "status": status})


def _is_sure(plate: LabelledPlate, readers: int, config: LabelConfig) -> bool:
    return (
        plate.agreeing >= 2
        and plate.agreeing * 2 > readers
        and plate.confidence >= config.sure_confidence
        and grammar_of(plate.proposal) is not None
    )


def _write_page(
    target: Path, report: LabelReport, samples: Samples, plates: Sequence[LabelledPlate], config: LabelConfig
) -> None:
    """The plates for a person to decide, the least sure first: doubtful, unreadable, in conflict."""
    disputed = {sample_id for sample_id, _, _ in report.conflicts}
    open_plates = [
        p
        for p in plates
        if (p.status in ("doubtful", "unreadable") and not p.text) or p.sample_id in disputed
    ]
    open_plates.sort(key=lambda plate: (plate.confidence, plate.sample_id))
    shown = open_plates[: config.max_shown]
    pictures = _pictures(samples, [plate.sample_id for plate in shown])
    cards = [
        {
            "plate": plate,
            "pictures": pictures.get(plate.sample_id, ()),
            "choices": _choices(plate, report.readers),
        }
        for plate in shown
    ]
    chinese = any(character in CHINESE.region for plate in shown for character in plate.votes + plate.text)
    write_report(
        target,
        "label.html",
        report=report,
        cards=cards,
        left=len(open_plates) - len(shown),
        glyphs=CHINESE.region if chinese else "",
        pattern="|".join(sorted({t.pattern for g in grammars().values() for t in g.templates})),
    )


def _choices(plate: LabelledPlate, readers: Sequence[str]) -> dict[str, list[str]]:
    """The texts that a person may choose, each with its origin: the label, the vote, each reader."""
    choices: dict[str, list[str]] = {}
    names = [reader.rpartition(" ")[0] for reader in readers]
    said = [(plate.text, "label"), *zip(plate.votes.split("|"), names, strict=True), (plate.proposal, "vote")]
    for text, who in said:
        if text:
            choices.setdefault(text, []).append(who)
    return choices


def _pictures(samples: Samples, ids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    wanted = set(ids)
    ordered = [i for found in samples.candidates().values() for i in found if i in wanted]
    pictures: dict[str, tuple[Any, ...]] = {}
    for sample in samples.load(ordered):
        if isinstance(sample, Problem):
            continue
        frames = list(sample.decode_frames()) if sample.frames else []
        gt = sample.decode_gt()
        named = [(gt, "ground truth")] if gt is not None else []
        first = max(0, len(frames) - _SHOWN_FRAMES)
        named += [(frames[n], f"frame {n + 1} of {len(frames)}") for n in range(first, len(frames))]
        pictures[sample.sample_id] = tuple(picture(image, caption, _SHOWN_HEIGHT) for image, caption in named)
    return pictures
