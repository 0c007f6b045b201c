"""Every command and every Python block of the README and the guides is run on tiny data, offline.

Each document is one walk-through in a folder of its own. A fenced block with a title is a file; the
`mdlp-bench` commands of `sh` blocks run in this process. What they take for granted (DATA, MDLP, ...) is made
in `conftest.py`; what they write is deleted before, because a finished data set is never written again.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer import Context
from typer.main import get_command
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.synth.degrade import load_recipe
from mdlp_bench.training.registry import read_recipe

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = ("mdlp-bench", "pip", "python", "make", "accelerate", "git")

NOT_RUN = {
    r"^mdlp-bench demo\b": "runs every bundled method for minutes; tests/test_wheel.py runs it",
    r"^mdlp-bench leaderboard serve\b": "serves until it is stopped; tests/leaderboard/test_site.py serves",
    r"^mdlp-bench gap .*--methods\b": "a dozen networks; tests/gap/test_transfer.py has small ones",
    r"^mdlp-bench data label\b|--labels LABELS\b": "readers of other packages; tests/curate/test_label.py",
    r"--device cuda\b": "needs a GPU; tests/benchmarks/test_gpu.py runs on one",
    r"--engine ray\b": "starts a cluster; tests/test_engine.py and tests/harness/test_engines.py do",
}
"""Commands that are parsed, so that every command and option exists, but not run; with the reason."""

SMALLER = (
    (r" -n \d+", " -n 3"),
    (r"\bn=\d+", "n=3"),
    (r"--workers \d+", "--workers 1"),
    (r"--trials \d+", "--trials 1"),
    (r"(?<!/)\b(train [a-z-]+ \S+)", r"\1 --steps 1"),
)
"""Sizes, reduced. Everything else is run as it stands."""

ANSWERS = (
    "",
    "",
    "A. Author",
    "author@example.org",
    *[""] * 6,
    "no",
    "no",
    *[""] * 4,
    "one core",
    "",
    "",
    "yes",
)
"""What somebody types when `leaderboard pack --init` asks; mostly the defaults."""


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, its title (a file name) and its text."""

    line: int
    language: str
    title: str | None
    text: str


def blocks_of(document: Path) -> Iterator[Block]:
    """The fenced blocks of a document, in order."""
    opened: tuple[int, str, str | None] | None = None
    lines: list[str] = []
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1):
        fence = re.match(r'\s*```(\w*)(?: title="(.+)")?\s*$', line)
        if opened is None and fence:
            opened, lines = (number, fence[1], fence[2]), []
        elif opened is not None and fence:
            yield Block(*opened, "\n".join(lines) + "\n")
            opened = None
        elif opened is not None:
            lines.append(line)


def commands_of(text: str) -> list[str]:
    """The commands of a shell block, one per line: without comments, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", text)
    found = [" ".join(shlex.split(line, comments=True)) and line for line in joined.splitlines()]
    return [line.split(" #")[0].strip() for line in found if line and not line.lstrip().startswith("#")]


def parsed(arguments: list[str]) -> dict[str, Any]:
    """The parameters that the command line makes of arguments; unknown commands and options are refused."""
    command: Any = get_command(app)
    rest, path = list(arguments), ["mdlp-bench"]
    while hasattr(command, "commands"):
        found = command.get_command(Context(command), rest[0]) if rest else None
        assert found is not None, f"no command {rest[:1]} of {' '.join(path)}"
        path.append(rest.pop(0))
        command = found
    parameters: dict[str, Any] = command.make_context(" ".join(path), rest).params
    return parameters


class Walk:
    """A document, walked through in a folder of its own."""

    def __init__(self, document: Path, folder: Path, world: Any, given: dict[str, object]) -> None:
        self.document, self.folder, self.world = document, folder, world
        self.names = dict(given)
        self.titles: set[str] = set()

    def block(self, block: Block) -> None:
        where = f"{self.document.name}:{block.line}"
        # A DATA that one block has written is not the DATA that the next one speaks of.
        for name in self.world.makers.keys() - self.titles:
            remove(self.folder / name)
        if block.title is not None:
            self.titles.add(block.title)
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        if block.language == "sh":
            for command in commands_of(block.text):
                self.command(command, where)
        elif block.language == "python":
            self.python(block.text, where)
        elif block.language == "yaml" and block.title is not None:
            read = load_recipe if "\nsteps:" in block.text else read_recipe
            assert read(block.title)

    def command(self, line: str, where: str) -> None:
        line = re.sub(r"^(?:[A-Z_]+=\S* )+", "", line)
        words = shlex.split(line)
        assert words[0] in COMMANDS, f"{where}: {line}: tell the test how to check {words[0]}"
        if words[0] != "mdlp-bench":
            check_other(words, where)
            if "mdlp_bench" in words:
                parsed(words[words.index("mdlp_bench") + 1 :])
            return
        parameters = parsed(words[1:])
        if any(re.search(pattern, line) for pattern in NOT_RUN):
            return
        out = parameters.get("out")
        self.provide(words, without=out)
        if out is not None:
            remove(self.folder / out)
        small = line
        for pattern, replacement in SMALLER:
            small = re.sub(pattern, replacement, small)
        arguments = [path for word in shlex.split(small)[1:] for path in self.expanded(word)]
        answers = "".join(f"{answer}\n" for answer in ANSWERS) if "--init" in words else None
        done = CliRunner().invoke(app, arguments, input=answers)
        assert done.exit_code == 0, f"{where}: {line}\n{done.output}\n{done.exception!r}"

    def python(self, text: str, where: str) -> None:
        self.provide(re.findall(r'"([\w./-]+)"', text), without=None)
        for pattern, replacement in SMALLER:
            text = re.sub(pattern, replacement, text)
        exec(compile(text, where, "exec"), self.names)

    def provide(self, words: list[str], without: object) -> None:
        for word in words:
            for part in re.split(r"[,:@]", word):
                name = part.split("/")[0]
                if name in self.world.makers and Path(name) != without and not (self.folder / name).exists():
                    self.world.provide(name, self.folder)

    def expanded(self, word: str) -> list[str]:
        if "*" not in word:
            return [word]
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.glob(word))


def check_other(words: list[str], where: str) -> None:
    """Commands of other programs are not run: what of this project they name must exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert all(f"\n{target}:" in makefile for target in words[1:]), where
    elif words[0] == "python" and words[1] != "-m":
        assert (ROOT / words[1]).is_file(), f"{where}: there is no {words[1]}"
    elif words[0] == "pip":
        for extra in re.findall(r"mdlp-bench\[(.+?)\]|\.\[(.+?)\]", " ".join(words)):
            wanted = set("".join(extra).split(","))
            assert wanted <= set(project["project"]["optional-dependencies"]), where


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_says_works(
    document: Path, world: Any, given: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    walk = Walk(document, tmp_path, world, given)
    try:
        for block in blocks_of(document):
            walk.block(block)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_command_hides_outside_of_a_shell_block(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.findall(rf"^ {{4,}}(?:{'|'.join(COMMANDS)}) .*$", text, flags=re.MULTILINE)
    assert {block.language for block in blocks_of(document)} <= {
        "sh",
        "python",
        "yaml",
        "json",
        "mermaid",
        "toml",
        "",
    }
    for inline in re.findall(r"`mdlp-bench ([a-z][^`]*)`", text):
        found: Any = get_command(app)
        for word in inline.split():
            if not hasattr(found, "commands") or ".py:" in word:  # a trainable of the user's
                break
            assert word in found.commands, f"{document.name}: `mdlp-bench {inline}`: no command {word}"
            found = found.commands[word]


def test_every_exception_is_needed() -> None:
    commands = [
        command
        for document in DOCUMENTS
        for block in blocks_of(document)
        if block.language == "sh"
        for command in commands_of(block.text)
    ]
    assert len(commands) > 30
    for pattern in NOT_RUN:
        assert any(re.search(pattern, command) for command in commands), pattern
