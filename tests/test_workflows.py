"""Rules of the workflows: a pull request can change neither the board nor what is posted about it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
SHA = "a" * 64

pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("bash", "git", "jq")), reason="needs bash, git and jq"
)


def load(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def events(workflow: dict[Any, Any]) -> dict[str, Any]:
    found = workflow[True]  # YAML 1.1 reads `on` as a boolean
    return found if isinstance(found, dict) else dict.fromkeys([found] if isinstance(found, str) else found)


def steps() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in load(path)["jobs"].items():
            for step in job["steps"]:
                yield f"{path.name}: {name}", job, step


def scripts() -> dict[str, str]:
    found = {f"{where}: {n}": step["run"] for n, (where, _, step) in enumerate(steps()) if "run" in step}
    files = sorted((GITHUB / "leaderboard").glob("*.sh"))
    return found | {path.name: path.read_text(encoding="utf-8") for path in files}


def bare_variables(script: str) -> Iterator[str]:
    """Variables outside quotes, where words are split and globs expanded; not so in assignments and [[ ]]."""
    plain = re.sub(r"\[\[.*?\]\]|\(\(.*?\)\)|(?m:^\s*#.*$)", "", script)
    quotes: list[str] = []
    position = 0
    while position < len(plain):
        character, state = plain[position], quotes[-1] if quotes else ""
        if state == "'":
            if character == "'":
                quotes.pop()
        elif character == "\\":
            position += 1
        elif plain.startswith("$(", position):
            quotes.append("(")
            position += 1
        elif character == '"' and state == '"':
            quotes.pop()
        elif state != '"' and character in "'\"":
            quotes.append(character)
        elif character == ")" and state == "(":
            quotes.pop()
        elif character == "$" and state != '"' and not re.search(r"[a-z_]=$", plain[:position]):
            yield from re.findall(r"^\$\{?[A-Za-z0-9_@*]+", plain[position:])
        position += 1
    assert not quotes, "quotes that do not end"


def test_bare_variables_are_found() -> None:
    assert list(bare_variables('echo "$a" \'$b\' $c "$(x $d "$e")" f=$g')) == ["$c", "$d"]


def test_there_is_something_to_test() -> None:
    assert len(WORKFLOWS) >= 3 and len(scripts()) >= 8


def test_checkouts_keep_no_token_and_take_nothing_of_a_pull_request() -> None:
    found = [
        (where, step) for where, _, step in steps() if step.get("uses", "").startswith("actions/checkout")
    ]
    assert found
    for where, step in found:
        assert step.get("with", {}).get("persist-credentials") is False, where
        assert "ref" not in step["with"] and "repository" not in step["with"], where


def test_workflows_have_no_rights_but_those_that_a_job_names() -> None:
    for path in WORKFLOWS:
        workflow = load(path)
        assert workflow.get("permissions") in ({}, {"contents": "read"}), path.name
        risky = {"pull_request_target", "workflow_run", "issue_comment"} & events(workflow).keys()
        assert risky <= {"pull_request_target"}, path.name
        for name, job in workflow["jobs"].items():
            rights = job.get("permissions", workflow["permissions"])
            text = json.dumps(job)
            if "write" in rights.values():
                # Whoever may write runs none of our programs and opens no archive.
                assert not re.search(r"mdlp-bench|pip |fetch\.sh|curl|python", text), f"{path.name}: {name}"
            else:
                assert "github.token" not in text and "secrets." not in text, f"{path.name}: {name}"


def test_code_of_a_pull_request_never_runs_with_the_rights_of_the_base() -> None:
    for path in WORKFLOWS:
        if "pull_request_target" in events(load(path)):
            text = path.read_text(encoding="utf-8")
            assert not re.search(
                r"git (checkout|switch|worktree|merge|pull|reset|cherry-pick)|gh pr checkout", text
            )
            assert "leaderboard check --store" not in text
    comment = load(GITHUB / "workflows/leaderboard-submission.yml")
    assert "pull_request" not in events(comment) and "pull_request_target" in events(comment)


def test_scripts_are_sound_and_take_no_text_from_expressions() -> None:
    for where, script in scripts().items():
        assert "${{" not in script, where
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        assert list(bare_variables(script)) == [], where
        assert not re.search(r"\bfor \w+ in [\"']?\$", script), where
        assert not re.search(r"\beval\b", script), where


def test_archives_are_fetched_in_one_place_with_every_limit() -> None:
    curls = {where: text for where, text in scripts().items() if re.search(r"\bcurl\b", text)}
    assert list(curls) == ["fetch.sh"]
    for option in (
        "--globoff",
        "--fail",
        "--proto '=https'",
        "--proto-redir '=https'",
        "--max-redirs",
        "--max-filesize",
        "--max-time",
        '--url "$url"',
        "sha256sum --check",
    ):
        assert option in curls["fetch.sh"], option
    assert "--insecure" not in curls["fetch.sh"]


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that commits files on a branch and runs changes.sh on it."""
    root = tmp_path / "repository"
    root.mkdir()

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    (root / "leaderboard/submissions").mkdir(parents=True)
    (root / "leaderboard/entries/a").mkdir(parents=True)
    for name in ("leaderboard/submissions/old.json", "leaderboard/entries/a/entry.json", "code.py"):
        (root / name).write_text("{}\n", encoding="utf-8")
    (root / "leaderboard/chain.jsonl").write_text("{}\n", encoding="utf-8")
    git("add", ".")
    git("commit", "-q", "-m", "base")

    def check(change: Callable[[Path], object]) -> subprocess.CompletedProcess[str]:
        git("checkout", "-q", "-b", "branch")
        change(root)
        git("add", "-A")
        git("commit", "-q", "-m", "change")
        return subprocess.run(
            ["bash", str(GITHUB / "leaderboard/changes.sh"), "main", "branch"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )

    return check


def write(name: str, content: str = "{}\n") -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")

    return change


def both(*changes: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: [change(root) for change in changes]


NEW = "leaderboard/submissions/mine-1.0.json"


@pytest.mark.parametrize(
    ("change", "pointers"),
    [(write(NEW), [NEW]), (write("code.py", "x = 1\n"), []), (write("docs/page.md"), [])],
)
def test_a_submission_adds_pointers_alone(
    repository: Callable[..., subprocess.CompletedProcess[str]], change: Any, pointers: list[str]
) -> None:
    done = repository(change)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, pointers, "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (both(write(NEW), write("leaderboard/entries/a/entry.json", "{1}")), "not changed by pull requests"),
        (write("leaderboard/entries/b/entry.json"), "not changed by pull requests"),
        (write("leaderboard/datasets/x/dataset.json"), "not changed by pull requests"),
        (write("leaderboard/chain.jsonl", "{}\n{}\n"), "not changed by pull requests"),
        (lambda root: (root / "leaderboard/entries/a/entry.json").unlink(), "not changed by pull requests"),
        (both(write(NEW), write("mdlp_bench/leaderboard/add.py")), "nothing but leaderboard/submissions/"),
        (both(write(NEW), write(".github/workflows/a.yml")), "nothing but leaderboard/submissions/"),
        (write("leaderboard/submissions/old.json", "{1}"), "pointers stay as they are"),
        (lambda root: (root / "leaderboard/submissions/old.json").unlink(), "pointers stay as they are"),
        (lambda root: (root / "leaderboard/submissions/old.json").rename(root / NEW), "pointers stay"),
        (write("leaderboard/submissions/a b.json"), "is called leaderboard/submissions/NAME.json"),
        (write("leaderboard/submissions/$(id).json"), "is called leaderboard/submissions/NAME.json"),
        (write("leaderboard/submissions/a\n.json"), "is called leaderboard/submissions/NAME.json"),
        (write("leaderboard/submissions/x/a.json"), "is called leaderboard/submissions/NAME.json"),
        (write("leaderboard/submissions/a.sh"), "is called leaderboard/submissions/NAME.json"),
        (lambda root: (root / NEW).symlink_to("/etc/passwd"), "not a small regular file"),
        (write(NEW, "x" * 3000), "not a small regular file"),
    ],
)
def test_what_a_submission_may_not_change_is_refused(
    repository: Callable[..., subprocess.CompletedProcess[str]], change: Any, said: str
) -> None:
    done = repository(change)
    assert done.returncode == 1 and done.stdout == "" and said in done.stderr


@pytest.fixture
def offline(tmp_path: Path) -> dict[str, str]:
    """An environment whose curl writes "archive", but fails for addresses with "dead" in them."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "curl").write_text(
        '#!/usr/bin/env bash\nprintf "%s\\n" "$@" >> "$LOG"\n'
        'if [[ "${*: -1}" == *dead* ]]; then echo "curl: (22) 404" >&2; exit 22; fi\n'
        'while [ "$1" != --output ]; do shift; done; printf archive > "$2"\n',
        encoding="utf-8",
    )
    (tools / "mdlp-bench").write_text(
        '#!/usr/bin/env bash\necho "$@" >> "$LOG"\nif [[ "$2" == test-set ]]; then mkdir "$4"; fi\n',
        encoding="utf-8",
    )
    for path in tools.iterdir():
        path.chmod(0o755)
    return os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "LOG": str(tmp_path / "log")}


@pytest.mark.parametrize(
    ("pointer", "said"),
    [
        ({"url": "https://example.org/a.zip", "sha256": SHA}, "not the one whose sha256"),
        ({"url": "https://example.org/dead.zip", "sha256": SHA}, "404"),
        ({"url": "http://example.org/a.zip", "sha256": SHA}, "not an https address"),
        ({"url": "file:///etc/passwd", "sha256": SHA}, "not an https address"),
        ({"url": "https://example.org/a b", "sha256": SHA}, "not an https address"),
        ({"url": "https://example.org/a\n--output /x", "sha256": SHA}, "not an https address"),
        ({"url": "https://-oProxy/a", "sha256": SHA}, "not an https address"),
        ({"url": "https://example.org/{a,b}", "sha256": SHA}, "not an https address"),
        ({"url": ["https://example.org/a"], "sha256": SHA}, "not an https address"),
        ({"url": "https://example.org/a", "sha256": SHA.upper()}, "not 64 hexadecimal digits"),
        ({"url": "https://example.org/a", "sha256": SHA + "\n"}, "not 64 hexadecimal digits"),
        ({"url": "https://example.org/a", "sha256": "a"}, "not 64 hexadecimal digits"),
        ({"url": "https://example.org/a", "sha256": SHA, "more": 1}, "not an https address"),
        ([], "not an https address"),
    ],
)
def test_pointers_are_checked_before_anything_is_fetched(
    pointer: Any, said: str, offline: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "pointer.json"
    path.write_text(json.dumps(pointer), encoding="utf-8")
    done = subprocess.run(
        ["bash", str(GITHUB / "leaderboard/fetch.sh"), str(path), str(tmp_path / "out.zip")],
        env=offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0 and said in done.stderr.splitlines()[-1]
    assert (tmp_path / "log").exists() is (said in ("404", "not the one whose sha256"))


def test_a_dead_address_does_not_stop_the_publication(offline: dict[str, str], tmp_path: Path) -> None:
    import hashlib

    checkout = tmp_path / "checkout"
    submissions = checkout / "leaderboard/submissions"
    submissions.mkdir(parents=True)
    (checkout / "leaderboard/entries").mkdir()
    shutil.copytree(GITHUB / "leaderboard", checkout / ".github/leaderboard")
    right = hashlib.sha256(b"archive").hexdigest()
    for name, url, sha in (
        ("a-dead", "https://example.org/dead.zip", right),
        ("b-wrong", "https://example.org/b.zip", SHA),
        ("c-sound", "https://example.org/c.zip", right),
    ):
        (submissions / f"{name}.json").write_text(json.dumps({"url": url, "sha256": sha}), encoding="utf-8")
    (submissions / "d-damaged.json").write_text("{", encoding="utf-8")
    (step,) = [
        step
        for where, _, step in steps()
        if "publish" in where and step.get("name") == "Add what has been submitted"
    ]
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=checkout,
        env=offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert [line.split()[1] for line in log if line.startswith("leaderboard ")] == [
        "test-set",
        "add",
        "check",
    ]
    warned = re.findall(r"::warning file=leaderboard/submissions/([\w-]+)\.json::(.*)", done.stdout)
    assert [name for name, _ in warned] == ["a-dead", "b-wrong", "d-damaged"]
    assert "404" in warned[0][1] and "sha256" in warned[1][1]
