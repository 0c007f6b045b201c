"""`submission.yaml`: who submits what, under which conditions; versioned, unknown keys refused."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mdlp_bench.errors import SubmissionError
from mdlp_bench.files import slugify
from mdlp_bench.leaderboard.submission.faults import Faults
from mdlp_bench.leaderboard.submission.yaml_strict import load_yaml
from mdlp_bench.methods.base import MethodDescriptor, Output
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.protocol import MDLP_V1

SUBMISSION_FILE: Final = "submission.yaml"
README_FILE: Final = "readme.txt"
PREDICTIONS_FOLDER: Final = "predictions/"
READINGS_FILE: Final = "readings.csv"

# Overrides of the writing direction can make a name read as another one.
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_URL: Final = re.compile(r"https?://[^\s\"'<>\\^`{|}]+", re.ASCII)


def _plain(text: str) -> str:
    if _UNSAFE.search(text):
        raise ValueError("has control or invisible characters")
    if not text.strip():
        raise ValueError("is empty")
    return text.strip()


def _url(text: str) -> str:
    if not _URL.fullmatch(text):
        raise ValueError("is not an http(s) address")
    return text


def _bibtex(text: str) -> str:
    if not re.match(r"\s*@\w+\s*\{", text) or text.count("{") != text.count("}"):
        raise ValueError("is not a BibTeX entry (@type{key, ...} with balanced braces)")
    return text.strip() + "\n"


def _claimed(scores: dict[str, float]) -> dict[str, float]:
    if unknown := sorted(set(scores) - set(METRICS)):
        raise ValueError(f"unknown metrics {', '.join(unknown)}; the protocol has {', '.join(METRICS)}")
    return scores


Line = Annotated[str, Field(max_length=300), AfterValidator(_plain)]
Url = Annotated[str, Field(max_length=500), AfterValidator(_url)]


class Submission(BaseModel):
    """The form of a submission.

    Attributes:
        schema_version: Of this form.
        protocol: Id of the scoring rules the claimed scores follow.
        method: Name on the board; a method keeps it over its versions.
        version: Version of the method.
        output: What it gives: an image a sample, or its text alone; the latter stands on text-only boards.
        authors: Names.
        contact: Where to ask: e-mail, web address, issue tracker.
        paper_url: Paper.
        code_url: Code.
        license: Of code and weights, an SPDX identifier where there is one.
        training_data: Data sets the weights have seen, real and synthetic.
        uses_synthetic: Trained on synthetic data.
        extra_data: Trained on data beyond the benchmark's training split.
        frames_used: Frames of a sample the method looks at.
        n_parameters: Trainable parameters; 0 for a method without any.
        deterministic: False when the output depends on the seed.
        seed: Seed of the submitted predictions.
        hardware: What the run time was measured on.
        runtime_per_image_s: Seconds a sample.
        device: cpu, gpu or other.
        claimed: Scores the authors measured themselves, by the protocol's metric names.
        bibtex: Citation.
        test_set_not_trained_on: The authors' declaration; must be true.
        ablation_of: The method of which this one is an ablation; it is then ranked on that ablation's board.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    schema_version: Literal[1]
    protocol: Annotated[str, Field(max_length=40)] = MDLP_V1.id
    method: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ,._+()-]*$", max_length=60)]
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._+-]*[A-Za-z0-9])?$", max_length=40)]
    output: Output = "image"
    authors: Annotated[list[Line], Field(min_length=1, max_length=100)]
    contact: Line
    paper_url: Url | None = None
    code_url: Url | None = None
    license: Line
    training_data: Annotated[list[Line], Field(max_length=50)]
    uses_synthetic: bool
    extra_data: bool
    frames_used: Annotated[int, Field(ge=0, le=1000)]
    n_parameters: Annotated[int, Field(ge=0, le=10**13)]
    deterministic: bool
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    hardware: Line
    runtime_per_image_s: Annotated[float, Field(ge=1e-9, le=1e6)] | None = None
    device: Literal["cpu", "gpu", "other"]
    claimed: Annotated[dict[str, float], AfterValidator(_claimed)] = Field(default_factory=dict)
    bibtex: Annotated[str, Field(max_length=4000), AfterValidator(_bibtex)] | None = None
    test_set_not_trained_on: Literal[True]
    ablation_of: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)] | None = None

    @property
    def slug(self) -> str:
        """The method's name in paths and addresses."""
        return slugify(self.method)

    def to_yaml(self) -> str:
        """The form as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)

    def descriptor(self) -> MethodDescriptor:
        """What runs say about the method."""
        return MethodDescriptor(
            name=self.slug,
            title=self.method,
            frames_used=self.frames_used,
            frame_policy="as submitted",
            parameters=self.n_parameters,
            licence=self.license,
            citation=self.paper_url or self.code_url,
            trained_on=tuple(self.training_data),
            deterministic=self.deterministic,
            output=self.output,
        )


_REMEDIES: Final = {
    "schema_version": "write `schema_version: 1`",
    "method": "use letters, digits, blanks and , . _ + ( ) - only",
    "version": 'use letters, digits and . _ + - only, in quotes: `version: "1.0"`',
    "test_set_not_trained_on": "write `true` only if no test sample was used in training or selection",
    "claimed": "give numbers by metric name, e.g. `ned: 0.198`",
    "paper_url": "give the full address, or leave the line out",
    "code_url": "give the full address, or leave the line out",
    "output": "write image or text",
    "device": "write cpu, gpu or other",
}


def parse_submission(content: bytes, faults: Faults) -> Submission | None:
    """Read `submission.yaml`; every fault goes to `faults`.

    Returns:
        The form, or None when there are faults.
    """
    try:
        loaded = load_yaml(content, SUBMISSION_FILE)
    except SubmissionError as error:
        problem, _, remedy = str(error).removeprefix(f"{SUBMISSION_FILE}: ").rpartition("; ")
        faults.add("yaml", SUBMISSION_FILE, problem, remedy)
        return None
    try:
        found = Submission.model_validate(loaded)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            _note(one, faults)
        return None
    if found.protocol != MDLP_V1.id:
        faults.add(
            "protocol",
            f"{SUBMISSION_FILE}: protocol",
            f"{found.protocol!r} is not the protocol of this leaderboard",
            f"score under {MDLP_V1.id} and submit again",
        )
    if not found.deterministic and found.seed is None:
        faults.add(
            "yaml",
            f"{SUBMISSION_FILE}: seed",
            "missing for a method that is not deterministic",
            "give the seed of these predictions",
        )
    return found


def _note(error: Any, faults: Faults) -> None:
    key = str(error["loc"][0]) if error["loc"] else ""
    where = f"{SUBMISSION_FILE}: {'.'.join(map(str, error['loc']))}"
    if error["type"] == "missing":
        faults.add("yaml", where, "missing", _REMEDIES.get(key, "add the line"))
    elif error["type"] == "extra_forbidden":
        known = ", ".join(Submission.model_fields)
        faults.add("yaml", where, "not a field of the form", f"remove it (the fields are {known})")
    else:
        problem = error["msg"].removeprefix("Value error, ")
        faults.add("yaml", where, problem[:1].lower() + problem[1:], _REMEDIES.get(key, "correct the value"))
