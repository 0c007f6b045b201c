from __future__ import annotations

import inspect
import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import mdlp_bench as mb
from mdlp_bench.cli.main import app
from mdlp_bench.cli.options import DEFAULT_LPIPS
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.leaderboard.export import write_codabench
from mdlp_bench.readers import READERS

COMMAND = [sys.executable, "-m", "mdlp_bench"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=120)


def test_help_starts_without_the_heavy_libraries() -> None:
    code = (
        "import sys; sys.argv = ['mdlp-bench', '--help']\n"
        "from mdlp_bench.cli.main import app\n"
        "try: app()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'datasets', 'pandas', 'pyarrow', 'cv2', 'matplotlib', 'scipy'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_statistics_start_without_torch() -> None:
    code = (
        "import sys\nimport mdlp_bench.harness.statistics\n"
        "import mdlp_bench.harness.tables, mdlp_bench.harness.compare\n"
        "print(sorted({'torch', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_has_help_with_an_example() -> None:
    from typer.main import get_command

    def shown(command: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        if getattr(command, "hidden", False):  # an old spelling: it only says what it is called now
            return []
        commands = getattr(command, "commands", None)
        if commands is None:
            return [path]
        return [found for name, sub in commands.items() for found in shown(sub, (*path, name))]

    for path in shown(get_command(app), ()):
        result = CliRunner().invoke(app, [*path, "--help"])
        assert result.exit_code == 0
        assert f"mdlp-bench {' '.join(path)}" in result.output, f"{path}: no example in its help"


def test_help_shows_every_word_of_its_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich takes a bracket that is not escaped for markup and shows nothing of it."""
    from typer.main import get_command

    monkeypatch.setenv("COLUMNS", "300")
    bracketed = 0

    def walk(command: Any, path: tuple[str, ...]) -> None:
        nonlocal bracketed
        if getattr(command, "hidden", False):
            return
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*path, name))
        shown = CliRunner().invoke(app, [*path, "--help"]).output.split()
        options = [one.help for one in command.params if not getattr(one, "hidden", False)]
        for text in filter(None, (command.help, command.epilog, *options)):
            words = text.partition("\f")[0].replace("\\[", "[").split()
            missing = [word for word in words if word not in shown]
            assert not missing, f"{' '.join(path)}: {missing} of {text!r}"
            bracketed += any("[" in word for word in words)

    walk(get_command(app), ())
    assert bracketed


TAKE_LABELS = [
    *("data open", "data inspect", "data audit", "data triage"),
    *("data export D -o O", "data split D -o O", "data label D -o O --readers crnn,crnn-beam"),
    *("data synth --source D --recipe gaussian -o O", "predict bicubic D -o O", "bench D -m bicubic -o O"),
    *("train srcnn D -o O", "gap study --real D --synthetic D@gaussian --reader none -o O"),
    *("gap fit --real D --recipe gaussian --reader none -o O.yaml", "leaderboard new N D --store O"),
    *("leaderboard add-bench O D --store O", "leaderboard export D -o O.zip", "submit lrlpr-score O D"),
]


@pytest.mark.parametrize("command", TAKE_LABELS)
def test_commands_that_open_a_data_set_take_labels(command: str, mdlp: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("sample_id,text\nnowhere,京A12345\n", "utf-8")
    words = (command if " D" in command else f"{command} D").split()
    places = {"D": str(mdlp), "O": str(tmp_path / "out")}
    arguments = [
        places.get(word, word.replace("D@", f"{mdlp}@").replace("O.", f"{tmp_path}/o.")) for word in words
    ]
    with pytest.raises(DataError, match="none of its lines names a sample"):
        CliRunner().invoke(app, [*arguments, "--labels", str(labels)], catch_exceptions=False)


def test_which_commands_take_a_part_and_labels() -> None:
    """Scores of a board are of its whole test set, and a part of two data sets compares nothing."""
    from typer.main import get_command

    whole = {"leaderboard validate", "leaderboard new", "leaderboard add", "leaderboard add-bench"}
    whole |= {"leaderboard run", "leaderboard export", "leaderboard check", "submit lrlpr-score", "data diff"}
    unordered = {"data diff", "data synth", "gap study", "gap fit"}
    textless = {"leaderboard run", "data diff"}
    found: dict[str, set[str]] = {}

    def walk(command: object, path: tuple[str, ...]) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*path, name))
        params = getattr(command, "params", [])
        options = {option for param in params for option in param.opts}
        takes = {"data", "dataset", "path", "old", "real", "source"} & {param.name for param in params}
        if takes and " ".join(path) not in ("submit lrlpr", "leaderboard build"):
            found[" ".join(path)] = options

    walk(get_command(app), ())
    assert {name for name, options in found.items() if "--limit" not in options} == whole
    assert {name for name, options in found.items() if "--labels" not in options} == textless
    assert {name for name, options in found.items() if "--order" not in options} == unordered


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("predict", "nonsense", ".", "-o", "x"), "error: "),
        (("bench", "/nowhere/at/all", "-m", "bicubic", "-o", "x"), "no such file or folder"),
        (("compare", "/nowhere/at/all"), "no such folder"),
        (("score", "/nowhere", "/nowhere", "-o", "x"), "no such file or folder"),
    ],
)
def test_an_input_error_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_usage_errors_exit_with_2_and_version_with_0() -> None:
    assert run("predict").returncode == 2
    assert run("--version").stdout.startswith("mdlp-bench 0.")


def test_methods_are_listed_as_json() -> None:
    listed = json.loads(run("list", "methods", "--json").stdout)
    assert {"bicubic", "ground-truth", "input"} <= set(listed)
    assert listed["bicubic"]["provenance"] == "baseline"


def test_readers_are_listed_as_json_and_in_words() -> None:
    listed = json.loads(run("list", "readers", "--json").stdout)
    assert set(listed) == set(READERS)
    assert listed["crnn"]["name"] == "crnn" and 0 < listed["crnn"]["believed_from"] < 1
    for entry in listed.values():
        # What cannot be loaded here says what to install, or which file to put where.
        assert "licence" in entry or re.search("pip install|by hand", entry["unavailable"])
    words = CliRunner().invoke(app, ["list", "readers"]).output
    assert all(name in words for name in READERS) and "believed from" in words


def test_help_is_fast() -> None:
    # Half a second; processor time, for the wall clock of a busy machine says nothing.
    assert min(_processor_seconds() for _ in range(2)) < 0.5 * _SLACK


_SLACK = 1.6  # slower machines than the one the half second was measured on


def _processor_seconds() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_old_spellings_work_with_a_hint(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    make_samples(3)
    data = str(tmp_path / "tiny")
    old = CliRunner().invoke(app, ["data", "export", data, str(tmp_path / "old")])
    new = CliRunner().invoke(app, ["data", "export", data, "-o", str(tmp_path / "new")])
    assert old.exit_code == new.exit_code == 0
    assert "hint: write -o OUT" in old.stderr and "hint" not in new.stderr
    assert (tmp_path / "old" / "manifest.json").is_file() and (tmp_path / "new" / "manifest.json").is_file()
    entry = tmp_path / "x.zip"
    entry.touch()
    for arguments in (["data", "export", data], ["leaderboard", "add", str(entry)]):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2 and "is missing" in done.stderr


def test_one_rule_for_the_net_of_lpips() -> None:
    for function in (mb.score, mb.bench, ScoringPlan.from_names, write_codabench):
        assert inspect.signature(function).parameters["lpips"].default == DEFAULT_LPIPS
