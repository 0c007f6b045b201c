"""`submission.yaml`: who submits what, under which conditions; versioned, unknown keys are refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mdlp_bench.errors import SubmissionError
from mdlp_bench.files import sha256_bytes, slugify
from mdlp_bench.leaderboard.submission.faults import Faults, printable
from mdlp_bench.leaderboard.submission.yaml_strict import load_yaml
from mdlp_bench.methods.base import MethodDescriptor, Output
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.protocol import CURRENT, PROTOCOLS
from mdlp_bench.yaml_text import dump_yaml, yes_or_no

SUBMISSION_FILE: Final = "submission.yaml"
README_FILE: Final = "readme.txt"
PREDICTIONS_FOLDER: Final = "predictions/"
READINGS_FILE: Final = "readings.csv"

# Characters that change the writing direction can make a name look like another one.
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
Answer = Annotated[bool, BeforeValidator(yes_or_no)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Submission(BaseModel):
    """The form of a submission.

    Attributes:
        schema_version: Version of this form.
        protocol: Id of the scoring rules the claimed scores follow.
        method: Name on the board; a method keeps it over its versions.
        version: Version of the method.
        output: `image` (one per sample), or `text` for methods that are ranked on text-only boards.
        authors: Names.
        contact: Where to ask: e-mail, web address, issue tracker. The same for all versions of a method.
        owner_key_sha256: SHA-256 of a secret that the next version must give as `owner_key`.
        owner_key: The secret whose hash the latest version gave. It is public from then on: give a new hash.
        paper_url: Paper.
        code_url: Code.
        follows: The published work it implements, with its authors, where these are others.
        teacher: A reader or other network whose judgement was part of the training's loss.
        license: Licence of code and weights, an SPDX identifier where there is one.
        training_data: Data sets the weights have seen, real and synthetic.
        uses_synthetic: Trained on synthetic data.
        extra_data: Trained on data beyond the benchmark's training split.
        frames_used: Frames per sample that the method looks at.
        n_parameters: Trainable parameters; 0 for a method without any.
        deterministic: False when the output depends on the seed.
        seed: Seed of the submitted predictions.
        hardware: What the run time was measured on.
        runtime_per_image_s: Seconds per sample.
        device: cpu, gpu or other.
        claimed: Scores the authors measured themselves, by the protocol's metric names.
        bibtex: Citation.
        test_set_not_trained_on: The authors' declaration; must be true.
        ablation_of: The method of which this one is an ablation; it is then ranked on that ablation's board.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    schema_version: Literal[1]
    protocol: Annotated[str, Field(max_length=40)] = CURRENT.id
    method: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ,._+()-]*$", max_length=60)]
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._+-]*[A-Za-z0-9])?$", max_length=40)]
    output: Output = "image"
    authors: Annotated[list[Line], Field(min_length=1, max_length=100)]
    contact: Line
    owner_key_sha256: Sha256 | None = None
    owner_key: Line | None = None
    paper_url: Url | None = None
    code_url: Url | None = None
    follows: Line | None = None
    teacher: Line | None = None
    license: Line
    training_data: Annotated[list[Line], Field(max_length=50)]
    uses_synthetic: Answer
    extra_data: Answer
    frames_used: Annotated[int, Field(ge=0, le=1000)]
    n_parameters: Annotated[int, Field(ge=0, le=10**13)]
    deterministic: Answer
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    hardware: Line
    runtime_per_image_s: Annotated[float, Field(ge=1e-9, le=1e6)] | None = None
    device: Literal["cpu", "gpu", "other"]
    claimed: Annotated[dict[str, float], AfterValidator(_claimed)] = Field(default_factory=dict)
    bibtex: Annotated[str, Field(max_length=4000), AfterValidator(_bibtex)] | None = None
    test_set_not_trained_on: Annotated[Literal[True], BeforeValidator(yes_or_no)]
    ablation_of: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)] | None = None

    @property
    def slug(self) -> str:
        """The method's name in paths and addresses."""
        return slugify(self.method)

    def owned_by(self, latest: Submission) -> bool:
        """Whether this form comes from the sender of `latest`, the newest version of the method."""
        if latest.owner_key_sha256 is not None:
            return sha256_bytes((self.owner_key or "").encode()) == latest.owner_key_sha256
        return self.contact.strip().casefold() == latest.contact.strip().casefold()

    def fits(self, protocols: Collection[str]) -> bool:
        """Whether a run under these protocols is what the form speaks of: pictures follow none, claims do."""
        return self.protocol in protocols or (not self.claimed and self.protocol in PROTOCOLS)

    def to_yaml(self) -> str:
        """The form as YAML."""
        return dump_yaml(self.model_dump(mode="json"))

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
    "uses_synthetic": "write true or false",
    "extra_data": "write true or false",
    "deterministic": "write true or false",
    "owner_key_sha256": "give the 64 hexadecimal digits of a SHA-256",
}

_SHORTEST: Final = 1e-6
"""Seconds; what no method can be faster than."""

# Characters and pairs that look alike in some typefaces.
_LOOK_ALIKES: Final = str.maketrans("01i528", "ollszb")
_ENTRY: Final = re.compile(r"\s*@\s*(\w+)\s*\{")
_COMMAND: Final = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_NAMED_COMMANDS: Final = """
    ae AE oe OE aa AA ss dh DH th TH dj DJ ng NG emph textit textbf textsc textsf texttt textrm textup
    textsuperscript textsubscript mathrm mathbf mathcal mathbb url href times alpha beta gamma delta epsilon
    lambda mu pi psi phi sigma omega textasciitilde textasciicircum textbackslash textless textgreater
    textendash textemdash ldots TeX LaTeX BibTeX copyright textregistered textquotesingle textunderscore
    enspace quad
"""
_PLAIN_COMMANDS: Final = frozenset((*"\"'`^~=.&%_#${}-\\ ,;:!@/uvHcdkbrtoOlLij", *_NAMED_COMMANDS.split()))


@cache
def read_name(name: str) -> str:
    """A name as people see it: names that are easily confused become equal.

    Case, punctuation, blanks, invisible characters and accents are dropped (a point between digits stays),
    and look-alikes (0 and O, 1, I and l, 5 and S, 2 and Z, 8 and B, rn and m, vv and w) become one.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    points = re.sub(r"(?<=\d)\.(?=\d)", "point", folded)
    letters = "".join(c for c in points if c.isalnum()).translate(_LOOK_ALIKES)
    return letters.replace("rn", "m").replace("vv", "w") or folded


def _bibtex_problem(text: str) -> str | None:
    """Why a citation is not safe to print into the file of citations."""
    kinds = [kind.lower() for kind in _ENTRY.findall(text)]
    if kinds[0] in ("string", "preamble", "comment"):
        return f"is an @{kinds[0]}, not the citation of a work"
    depth = 0
    for position, character in enumerate(text):
        if character in "{}" and text[position - 1 : position] != "\\":
            depth += 1 if character == "{" else -1
            if depth == 0 and text[position + 1 :].strip():
                return "holds something behind the end of its entry"
    if depth:
        return "has unbalanced braces"
    unknown = [name for name in _COMMAND.findall(text) if name not in _PLAIN_COMMANDS]
    return f"uses the command \\{printable(unknown[0])}" if unknown else None


def parse_submission(
    content: bytes, faults: Faults, protocols: Collection[str] = (CURRENT.id,)
) -> Submission | None:
    """Read `submission.yaml`; every fault goes to `faults`.

    Args:
        content: The file.
        faults: Takes what is wrong.
        protocols: Those that it must fit (see `Submission.fits`).

    Returns:
        The form, or None when there are faults.
    """
    try:
        loaded = load_yaml(content, SUBMISSION_FILE)
    except SubmissionError as error:
        faults.add_error("yaml", SUBMISSION_FILE, error)
        return None
    try:
        found = Submission.model_validate(loaded)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            _note(one, faults)
        return None

    def note(field: str, problem: str, remedy: str, code: str = "yaml") -> None:
        faults.add(code, f"{SUBMISSION_FILE}: {field}", problem, remedy)

    if not found.fits(protocols):
        remedy = (
            f"score the predictions under {' or '.join(protocols)} (mdlp-bench score PREDICTIONS DATA "
            "-o RUN) and pack them with --run RUN"
        )
        note("protocol", f"{found.protocol!r} is not the protocol of new entries", remedy, "protocol")
    if found.bibtex is not None and (citation := _bibtex_problem(found.bibtex)) is not None:
        note("bibtex", citation, "give one entry, @type{key, ...}, with plain text, accents and mathematics")
    if found.owner_key is not None and sha256_bytes(found.owner_key.encode()) == found.owner_key_sha256:
        problem = "is the hash of the key that this form makes public"
        note("owner_key_sha256", problem, "give the hash of a new secret")
    for name, value in found.claimed.items():
        info = METRICS[name]
        if info.best is not None and (value > info.best if info.higher_is_better else value < info.best):
            problem = f"is {value:g}, better than a perfect output's {info.best:g}"
            note(f"claimed.{name}", problem, "give the score in the metric's unit, e.g. 0.198 for a share")
    if found.runtime_per_image_s is not None and found.runtime_per_image_s < _SHORTEST:
        problem = f"is {found.runtime_per_image_s:g} s, less than it takes to touch a picture"
        note("runtime_per_image_s", problem, "give seconds per sample, or leave the line out")
    if not found.deterministic and found.seed is None:
        problem = "missing for a method that is not deterministic"
        note("seed", problem, "give the seed of these predictions")
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
