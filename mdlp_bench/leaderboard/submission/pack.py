"""Make a submission: a zip of the form, the readme and one PNG per sample, with the same bytes every time."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from mdlp_bench.errors import SubmissionError, first_fault, no_such
from mdlp_bench.files import atomic_path, is_junk
from mdlp_bench.harness.predict import Prediction, Predictions
from mdlp_bench.harness.run import PredictionsRecord, Run
from mdlp_bench.images import decode, encode
from mdlp_bench.leaderboard.boards import IMAGE_METRICS, TEXT_METRICS
from mdlp_bench.leaderboard.submission.archive import size_limit
from mdlp_bench.leaderboard.submission.faults import Faults
from mdlp_bench.leaderboard.submission.form import (
    PREDICTIONS_FOLDER,
    READINGS_FILE,
    README_FILE,
    SUBMISSION_FILE,
    Submission,
    parse_submission,
)
from mdlp_bench.leaderboard.submission.readings import write_readings
from mdlp_bench.leaderboard.submission.readme_txt import readme_for
from mdlp_bench.leaderboard.submission.validate import ids_by_stem, validate
from mdlp_bench.methods.base import Output
from mdlp_bench.metrics.protocol import CURRENT, WORKING_SIZE
from mdlp_bench.readers.base import Reading
from mdlp_bench.yaml_text import dump_yaml

_FIXED_TIME: Final = (2020, 1, 1, 0, 0, 0)

Ask = Callable[[str, str, str], str]
"""Asks for a field: (name, question, default) to the answer."""


def pack(
    predictions: Path, form: Path | Submission, out: Path, sample_ids: Collection[str] | None = None
) -> Submission:
    """Pack predictions as a submission and validate the result.

    Args:
        predictions: A prediction folder of `mdlp-bench predict`, or a folder of `<sample_id>.png`.
        form: `submission.yaml`, or its content.
        out: The zip file to write.
        sample_ids: The samples to submit; None for all that there are predictions of.

    Raises:
        SubmissionError: The form is missing or faulty, a sample failed, or a picture has another size.
        RunError: The prediction folder is damaged or incomplete.
    """
    submission = form if isinstance(form, Submission) else _read_form(form)
    with atomic_path(out) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, allowZip64=False) as archive:
            _add(archive, SUBMISSION_FILE, submission.to_yaml().encode())
            _add(archive, README_FILE, readme_for(submission).render().encode())
            if submission.output == "text":
                _add(archive, READINGS_FILE, write_readings(_read(predictions, sample_ids)))
            else:
                for sample_id, content in _pictures(predictions, sample_ids):
                    _add(archive, f"{PREDICTIONS_FOLDER}{sample_id}.png", content)
        report = validate(temporary, sample_ids)
        if not report.valid:
            raise report.faults.error(out.name)
    return submission


def _read_form(path: Path) -> Submission:
    if not path.is_file():
        raise SubmissionError(f"{path}: no such file; write it with `mdlp-bench leaderboard pack --init`")
    faults = Faults()
    submission = parse_submission(path.read_bytes(), faults)
    if submission is None or len(faults):
        raise faults.error(str(path))
    return submission


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _FIXED_TIME)
    info.create_system = 3
    info.external_attr = 0o100644 << 16
    # Pictures are deflated already.
    info.compress_type = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
    archive.writestr(info, content)


def _stored(folder: Path, sample_ids: Collection[str] | None, output: Output) -> Iterator[Prediction]:
    """The predictions of a folder that `predict` wrote, of these samples."""
    predictions = Predictions(folder)
    if predictions.record.method.output != output:
        raise SubmissionError(
            f"{folder}: {predictions.record.method.name} gives {predictions.record.method.output}s, the form "
            f"says {output}; write `output: {predictions.record.method.output}`"
        )
    wanted = None if sample_ids is None else frozenset(sample_ids)
    if wanted is None:
        predictions.warn_of_part()
    for one in predictions:
        if wanted is not None and one.sample_id not in wanted:
            continue
        if one.error is not None:
            raise SubmissionError(
                f"sample {one.sample_id}: the method failed on it ({one.error}); a submission needs "
                f"every {'reading' if output == 'text' else 'picture'}: fix the method and predict again"
            )
        yield one


def _read(folder: Path, sample_ids: Collection[str] | None) -> Iterator[tuple[str, Reading]]:
    return ((one.sample_id, one.reading) for one in _stored(folder, sample_ids, "text") if one.reading)


def _pictures(folder: Path, sample_ids: Collection[str] | None) -> Iterator[tuple[str, bytes]]:
    if (folder / PredictionsRecord.file_name).is_file():
        stored = _stored(folder, sample_ids, "image")
        yield from ((one.sample_id, encode(one.image)) for one in stored if one.image is not None)
        return
    found = folder.iterdir() if folder.is_dir() else ()
    files = sorted(path for path in found if path.suffix.lower() == ".png" and not is_junk(path.name))
    if not files:
        raise SubmissionError(
            f"{folder}: no predictions in it; give the folder that `predict` wrote, or of PNGs"
        )
    ids = {path.stem: path.stem for path in files} if sample_ids is None else ids_by_stem(sample_ids)
    for path in files:
        if path.stem not in ids:
            continue
        image = decode(path.read_bytes(), str(path))
        if image.shape[:2] != WORKING_SIZE:
            height, width = WORKING_SIZE
            raise SubmissionError(
                f"{path}: {image.shape[1]} x {image.shape[0]} pixels; a submission holds {width} x {height}, "
                "resize it as the protocol does (`mdlp_bench.metrics.protocol.to_working_size`)"
            )
        yield ids[path.stem], encode(image)


def interview(
    predictions: Path,
    run: Path | None,
    ask: Ask,
    tell: Callable[[str], None],
    given: Mapping[str, str] = MappingProxyType({}),
) -> Submission:
    """Fill in the form by asking, with what the predictions and the run already say as defaults.

    Args:
        predictions: The prediction folder, whose record answers some questions.
        run: A run folder of these predictions; its scores become the claimed ones.
        ask: Asks for one field: name, question and default to the answer.
        tell: Shows why an answer was not accepted.
        given: Answers by field, as typed; these are not asked for.

    Raises:
        SubmissionError: A given answer is not accepted or has no field, or the form has faults at the end.
    """
    known = _known(predictions)
    answers: dict[str, Any] = {"schema_version": 1, "output": known.get("output", "image")}
    answers |= _given(given)
    for name, question, read in _QUESTIONS:
        while name not in answers:
            typed = ask(name, question, str(known.get(name, "")))
            try:
                answers[name] = _accepted(name, read, typed)
            except ValueError as error:
                tell(f"{name}: {error}")
    if run is not None:
        answers["claimed"] = claimed_scores(Run(run))
    try:
        return Submission.model_validate(answers)
    except ValidationError as error:
        raise SubmissionError(f"{first_fault(error)}; answer again") from error


def template(predictions: Path, run: Path | None, given: Mapping[str, str] = MappingProxyType({})) -> str:
    """The form to fill in with an editor: every field under its question, with what is known already.

    Arguments and errors are those of `interview`; what nobody knows is left empty, which `pack` refuses.
    """
    known, answers = _known(predictions), _given(given)
    lines = [
        "# Fill in what is empty, then: mdlp-bench leaderboard pack PREDICTIONS --form THIS_FILE -o OUT.zip"
    ]
    lines += ["schema_version: 1", f"output: {known.get('output', 'image')}"]
    for name, question, read in _QUESTIONS:
        default = str(known.get(name, ""))
        value = answers[name] if name in answers else read(default) if default else None
        empty = "[]" if read is _several and "may be empty" in question else ""
        shown = dump_yaml({name: value}).strip() if value not in (None, []) else f"{name}: {empty}".rstrip()
        lines += [f"# {question}", shown]
    if run is not None:
        lines += ["# Scores of your own run", dump_yaml({"claimed": claimed_scores(Run(run))}).strip()]
    return "\n".join(lines) + "\n"


def filled_form(predictions: Path, fields: Mapping[str, Any], run: Run | None = None) -> Submission:
    """A form of these fields, with what the predictions already say, and the scores of their run as claims.

    Raises:
        SubmissionError: A field is missing, unknown or not accepted.
    """
    readers = {name: read for name, _, read in _QUESTIONS}
    known = {
        name: readers[name](str(value)) if name in readers else value
        for name, value in _known(predictions).items()
    }
    claims = {} if run is None else {"claimed": claimed_scores(run)}
    try:
        return Submission.model_validate({"schema_version": 1, **known, **claims, **fields})
    except ValidationError as error:
        raise SubmissionError(f"the form: {first_fault(error)}") from error


def _given(given: Mapping[str, str]) -> dict[str, Any]:
    """Answers given with the command, checked in the same way as typed ones."""
    readers: dict[str, Callable[[str], Any]] = {name: read for name, _, read in _QUESTIONS}
    readers |= dict.fromkeys(("bibtex", "owner_key", "owner_key_sha256", "ablation_of"), _optional)
    found = {}
    for name, typed in given.items():
        if name not in readers:
            raise no_such("field", name, readers, SubmissionError, where="the form")
        try:
            found[name] = _accepted(name, readers[name], typed)
        except ValueError as error:
            raise SubmissionError(f"{name}: {error}") from error
    return found


def _accepted(name: str, read: Callable[[str], Any], typed: str) -> Any:
    """The value of an answer.

    Raises:
        ValueError: The form does not take it; says why in the form's words.
    """
    try:
        value = read(typed)
    except ValueError as error:
        if read in (int, _optional_integer):
            raise ValueError(f"{typed!r} is not a whole number") from error
        if read is _optional_number:
            raise ValueError(f"{typed!r} is not a number") from error
        raise
    _check_field(name, value)
    return value


def claimed_scores(run: Run) -> dict[str, float]:
    """The scores of a run as the claims of a form.

    Raises:
        SubmissionError: They follow another protocol than new entries.
    """
    if run.record.protocol != CURRENT.id:
        raise SubmissionError(
            f"{run.folder}: scored under {run.record.protocol}, new entries under {CURRENT.id}; score the "
            "predictions again: mdlp-bench score PREDICTIONS DATA -o RUN"
        )
    means = {name: run.summary[name].mean for name in (*IMAGE_METRICS, *TEXT_METRICS) if name in run.summary}
    return {name: round(mean, 6) for name, mean in means.items() if mean is not None}


_WORDS: Final = MappingProxyType(
    {
        "string_pattern_mismatch": "use letters, digits, blanks and ,._+()- only, a letter or digit first",
        "string_too_long": "is longer than {max_length} characters",
        "too_short": "give at least one",
        "too_long": "give at most {max_length}",
        "literal_error": "must be {expected}",
        "greater_than_equal": "must be at least {ge}",
        "less_than_equal": "must be at most {le}",
        "less_than": "must be less than {lt}",
    }
)
"""What is wrong with an answer, by pydantic's kind of error."""


def _check_field(name: str, value: Any) -> None:
    """Check one field as the form does."""
    try:
        Submission.model_validate({name: value})
    except ValidationError as error:
        for one in error.errors():
            if one["loc"][:1] == (name,) and one["type"] != "missing":
                words = _WORDS.get(one["type"])
                limits = one.get("ctx", {})
                said = one["msg"].removeprefix("Value error, ") if words is None else words.format(**limits)
                raise ValueError(said) from error


def _known(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise SubmissionError(f"{folder}: no such folder; give what `predict` wrote, or a folder of PNGs")
    if not (folder / PredictionsRecord.file_name).is_file():
        return {"version": "1.0", "frames_used": 3}
    record = PredictionsRecord.read(folder)
    method = record.method
    seconds = record.seconds / record.dataset.n_samples if record.seconds else ""
    return {
        "method": method.title,
        "version": "1.0",
        "output": method.output,
        "license": method.licence,
        "training_data": ", ".join(method.trained_on),
        "follows": method.citation or "",
        "teacher": method.teacher or "",
        "frames_used": method.frames_used,
        "n_parameters": method.parameters,
        "deterministic": "yes" if method.deterministic else "no",
        "seed": record.seed,
        "runtime_per_image_s": f"{seconds:.4g}" if seconds else "",
        "device": "cpu" if record.device == "cpu" else "gpu",
    }


def _yes(text: str) -> bool:
    if text.strip().lower() not in ("y", "yes", "true", "n", "no", "false"):
        raise ValueError("answer yes or no")
    return text.strip().lower() in ("y", "yes", "true")


def _optional(text: str) -> str | None:
    return text.strip() or None


def _optional_number(text: str) -> float | None:
    return float(text) if text.strip() else None


def _optional_integer(text: str) -> int | None:
    return int(text) if text.strip() else None


def _several(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


_QUESTIONS: Final[tuple[tuple[str, str, Callable[[str], Any]], ...]] = (
    ("method", "Name of the method on the board", str.strip),
    ("version", "Its version", str.strip),
    ("authors", "Authors, separated by commas", _several),
    ("contact", "Where to ask (e-mail, web address)", str.strip),
    ("paper_url", "Address of the paper (may be empty)", _optional),
    ("code_url", "Address of the code (may be empty)", _optional),
    ("follows", "Work of others that it implements (may be empty)", _optional),
    ("teacher", "Network whose judgement was part of the training's loss (may be empty)", _optional),
    ("license", "Licence of code and weights", str.strip),
    ("training_data", "Training data sets, separated by commas (may be empty)", _several),
    ("uses_synthetic", "Trained on synthetic data? (yes/no)", _yes),
    ("extra_data", "Trained on data beyond the benchmark's training split? (yes/no)", _yes),
    ("frames_used", "Frames per sample that it looks at", int),
    ("n_parameters", "Trainable parameters", int),
    ("deterministic", "Same output at every run? (yes/no)", _yes),
    ("seed", "Seed of these predictions (may be empty)", _optional_integer),
    ("hardware", "Hardware of the run time, e.g. 'AMD EPYC 7763, 2 threads'", str.strip),
    ("runtime_per_image_s", "Seconds per sample (may be empty)", _optional_number),
    ("device", "Device (cpu, gpu, other)", str.strip),
    ("test_set_not_trained_on", "No test sample was used in training or selection? (yes/no)", _yes),
)


def repack(folder: Path, out: Path, faults: Faults) -> None:
    """Zip a submission that a platform has unpacked, byte for byte; links and special files are faults."""
    with zipfile.ZipFile(out, "w", allowZip64=False) as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                faults.add("zip-member", name, "not a plain file", "submit what `pack` writes")
            elif path.is_file():
                if path.stat().st_size > size_limit(name):
                    faults.add(
                        "zip-member", name, "larger than any picture of 224 x 112 pixels", "submit such"
                    )
                else:
                    _add(archive, name, path.read_bytes())
