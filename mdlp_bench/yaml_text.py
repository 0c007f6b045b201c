"""YAML that people write, with the plain values of YAML 1.2.

In YAML 1.1 `no` is a boolean (and so is the province ON), `12:30` and `010` are odd numbers, `1e-3` is text
and `2026-01-01` a date. Here `no`, `12:30` and the date are text, `010` is ten and `1e-3` a number. Where a
field is a boolean, `yes`, `no`, `on` and `off` still say it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from mdlp_bench.errors import DataError, MdlpBenchError, reason


class PlainLoader(yaml.SafeLoader):
    """`SafeLoader` with the plain values of YAML 1.2 that refuses a key given twice. `<<` is text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, unless a key occurs in it twice."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


class _MergingLoader(PlainLoader):
    """For the files of a user, who merges a mapping into another one with `<<`."""


class _PlainDumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or 1.2 would take for something else."""


def read_yaml(path: Path, error: type[MdlpBenchError] = DataError) -> Any:
    """Read a YAML file.

    Raises:
        MdlpBenchError: Of type `error`: it cannot be read, or as in `parse_yaml`.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror or reason(problem)})") from problem
    return parse_yaml(content, str(path), error)


def parse_yaml(
    content: bytes | str,
    name: str,
    error: type[MdlpBenchError] = DataError,
    *,
    loader: type[PlainLoader] = _MergingLoader,
    check: Callable[[str], None] | None = None,
) -> Any:
    """Parse YAML (or JSON) text.

    Args:
        content: UTF-8, with or without a byte order mark.
        name: What to call it in errors.
        error: What to raise.
        loader: How values are made.
        check: Called with the text before anything is made of it; raises `error`.

    Raises:
        MdlpBenchError: Of type `error`: not UTF-8, not YAML, or a key is given twice; names the line.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{name}: not UTF-8 (byte {problem.start}); save it as UTF-8") from problem
    try:
        if check is not None:
            check(text)
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        what = getattr(problem, "problem", None) or "not valid YAML"
        raise error(f"{name}: {line}{what}; correct the YAML") from problem
    except (ValueError, RecursionError) as problem:
        raise error(f"{name}: a value cannot be read ({problem}); correct the YAML") from problem


def dump_yaml(content: dict[str, Any]) -> str:
    """A mapping as YAML that readers of YAML 1.1 and of 1.2 understand in the same way."""
    return yaml.dump(content, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100)


def yes_or_no(value: Any) -> Any:
    """True or False for the words `yes`, `on`, `no` and `off`; anything else as it is."""
    return _ANSWERS.get(value.lower(), value) if isinstance(value, str) else value


_ANSWERS: Final = {"yes": True, "on": True, "no": False, "off": False}


def _whole_number(loader: PlainLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node).replace("_", ""))


PlainLoader.yaml_implicit_resolvers = {}
PlainLoader.add_constructor("tag:yaml.org,2002:int", _whole_number)
for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9][0-9_]*", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
):
    for _of in (PlainLoader, _PlainDumper):
        _of.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)
_MergingLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<\Z"), ["<"])
