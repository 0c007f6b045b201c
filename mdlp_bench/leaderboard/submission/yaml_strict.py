"""YAML from strangers: no anchors, tags or repeated keys, bounded size and depth, values as in YAML 1.2."""

from __future__ import annotations

from typing import Any, Final

import yaml

from mdlp_bench.errors import SubmissionError
from mdlp_bench.leaderboard.submission.faults import printable
from mdlp_bench.yaml_text import PlainLoader, parse_yaml

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
    loaded = parse_yaml(
        content, name, SubmissionError, loader=PlainLoader, check=lambda text: _check_events(text, name)
    )
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
