"""YAML from strangers: no anchors, no tags, no repeated keys, bounded size and depth."""

from __future__ import annotations

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
    """`SafeLoader` that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
