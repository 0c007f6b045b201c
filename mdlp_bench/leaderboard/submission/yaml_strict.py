"""YAML from strangers: no anchors, tags or repeated keys, bounded size and depth, values as in YAML 1.2.

In YAML 1.1 `no` is a boolean, `12:30` and `010` are odd numbers, `2026-01-01` is a date, and the key `<<`
merges a mapping. Here they are text (`010` is ten).
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from mdlp_bench.errors import SubmissionError
from mdlp_bench.leaderboard.submission.faults import printable

MAX_BYTES: Final = 64 * 1024
_MAX_DEPTH: Final = 8


def load_yaml(content: bytes, name: str) -> dict[str, Any]:
    """Parse a YAML mapping.

    Args:
        content: The file.
        name: What to call it in errors.

    Raises:
        SubmissionError: Too large, not UTF-8, not a mapping, nested too deep, or using anchors, tags or
            repeated keys.
    """
    if len(content) > MAX_BYTES:
        raise SubmissionError(f"{name}: larger than {MAX_BYTES // 1024} KiB; keep to the fields of the form")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SubmissionError(f"{name}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    try:
        _check_events(text, name)
        loaded = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise SubmissionError(f"{name}: {line}{problem}; correct the YAML") from error
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{name}: a value cannot be read ({error}); correct the YAML") from error
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise SubmissionError(f"{name}: not a list of `key: value` lines; start from `pack --init`")
    return loaded


def _check_events(text: str, name: str) -> None:
    """Refuse what could blow up or act, before anything is constructed."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise SubmissionError(f"{name}: uses an anchor or alias (& or *); write the value out")
        if (tag := getattr(event, "tag", None)) is not None:
            raise SubmissionError(f"{name}: uses a tag ({printable(tag)}); write plain values")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise SubmissionError(f"{name}: nested deeper than {_MAX_DEPTH} levels; keep to the form")


class _StrictLoader(yaml.SafeLoader):
    """`SafeLoader` with the plain values of YAML 1.2 that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _whole_number(loader: _StrictLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node).replace("_", ""))


class _StrictDumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or 1.2 would take for something else."""


def dump_yaml(content: dict[str, Any]) -> str:
    """A mapping as YAML that `load_yaml` and readers of YAML 1.1 understand in the same way."""
    return yaml.dump(content, Dumper=_StrictDumper, sort_keys=False, allow_unicode=True, width=100)


_StrictLoader.yaml_implicit_resolvers = {}
_StrictLoader.add_constructor("tag:yaml.org,2002:int", _whole_number)
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
    for _of in (_StrictLoader, _StrictDumper):
        _of.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)
