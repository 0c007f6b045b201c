"""`readme.txt` as the NTIRE challenges ask for it: four `name : value` lines about cost and data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mdlp_bench.leaderboard.submission.faults import Faults
from mdlp_bench.leaderboard.submission.form import README_FILE, Submission

MAX_BYTES: Final = 64 * 1024

_RUNTIME: Final = "runtime per image [s]"
_DEVICE: Final = "CPU[1] / GPU[0]"
_EXTRA: Final = "Extra Data [1] / No Extra Data [0]"
_OTHER: Final = "Other description"


@dataclass(frozen=True, slots=True)
class ReadmeTxt:
    """The content of the file.

    Attributes:
        runtime_per_image_s: Seconds per sample, None when it says "unknown".
        cpu: Run on a CPU.
        extra_data: Trained on extra data.
        description: Free text.
    """

    runtime_per_image_s: float | None
    cpu: bool
    extra_data: bool
    description: str

    def render(self) -> str:
        """The file's text."""
        seconds = self.runtime_per_image_s
        # Six digits without an exponent, because not every reader of these files knows exponents.
        runtime = "unknown" if seconds is None else f"{Decimal(f'{seconds:g}'):f}"
        values = {
            _RUNTIME: runtime,
            _DEVICE: int(self.cpu),
            _EXTRA: int(self.extra_data),
            _OTHER: self.description,
        }
        return "".join(f"{name} : {value}\n" for name, value in values.items())


def readme_for(submission: Submission) -> ReadmeTxt:
    """The file that corresponds to a form."""
    authors = ", ".join(submission.authors)
    code = f" Code: {submission.code_url}." if submission.code_url else ""
    return ReadmeTxt(
        submission.runtime_per_image_s,
        submission.device == "cpu",
        submission.extra_data,
        f"{submission.method} {submission.version} by {authors}.{code}",
    )


def parse_readme(content: bytes, faults: Faults) -> ReadmeTxt | None:
    """Read the file; every fault goes to `faults`. Unknown lines belong to the description.

    Returns:
        What it says, or None when there are faults.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        faults.add("readme", README_FILE, "not UTF-8", "save it as UTF-8")
        return None
    values: dict[str, str] = {}
    last = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        name = next((key for key in (_RUNTIME, _DEVICE, _EXTRA, _OTHER) if _fits(line, key)), None)
        if name is not None:
            values[name] = line.partition(":")[2].strip()
            last = name
        elif last == _OTHER:
            values[_OTHER] += f" {line}"
    missing = [key for key in (_RUNTIME, _DEVICE, _EXTRA) if key not in values]
    for key in missing:
        faults.add("readme", README_FILE, f"no line {key!r}", "add it, or leave readme.txt out")
    for key in (_DEVICE, _EXTRA):
        if values.get(key) not in (None, "0", "1"):
            faults.add("readme", f"{README_FILE}: {key}", f"is {values[key][:20]!r}", "write 0 or 1")
            missing.append(key)
    runtime = values.get(_RUNTIME, "")
    if _RUNTIME in values and runtime != "unknown" and not re.fullmatch(r"\d{1,7}(\.\d{1,15})?s?", runtime):
        faults.add("readme", f"{README_FILE}: {_RUNTIME}", f"is {runtime[:20]!r}", "write seconds, e.g. 0.35")
        missing.append(_RUNTIME)
    if missing:
        return None
    seconds = None if runtime == "unknown" else float(runtime.rstrip("s"))
    return ReadmeTxt(seconds, values[_DEVICE] == "1", values[_EXTRA] == "1", values.get(_OTHER, ""))


def check_agreement(readme: ReadmeTxt, submission: Submission, faults: Faults) -> None:
    """Add a fault for each value in readme.txt that differs from submission.yaml."""
    pairs = (
        (_RUNTIME, readme.runtime_per_image_s, submission.runtime_per_image_s),
        (_DEVICE, readme.cpu, submission.device == "cpu"),
        (_EXTRA, readme.extra_data, submission.extra_data),
    )
    for name, said, formal in pairs:
        if said != formal and not (isinstance(said, float) and f"{said:g}" == f"{formal:g}"):
            faults.add(
                "readme",
                f"{README_FILE}: {name}",
                f"says {said}, submission.yaml {formal}",
                "make the two agree",
            )


def _fits(line: str, key: str) -> bool:
    """Whether a line starts with a key, whatever its blanks and case."""

    def squeeze(text: str) -> str:
        return re.sub(r"\s+", "", text).lower()

    return ":" in line and squeeze(line.partition(":")[0]) == squeeze(key)
