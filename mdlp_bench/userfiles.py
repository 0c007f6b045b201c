"""What users name: lists of names, `path/to/file.py:NAME`, entry points of installed packages."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from mdlp_bench.errors import MdlpBenchError, did_you_mean, raised

T = TypeVar("T")
Several: TypeAlias = T | Iterable[T]
"""One thing or several (see `one_or_more`)."""

TRAINABLE_GROUP: Final = "mdlp_bench.trainables"
"""The group of entry points that name what `mdlp-bench train` trains."""


def one_or_more(given: Several[T]) -> list[T]:
    """What a user gave where several things can be given: a single one counts as a list of one.

    A text is one name, whatever it holds, and a path is one thing.
    """
    if isinstance(given, str | os.PathLike) or not isinstance(given, Iterable):
        return [given]
    return list(given)


def is_file_spec(spec: str) -> bool:
    """Whether `spec` has the form `file.py:NAME`, or lacks the name."""
    return ".py:" in spec or spec.endswith(".py")


def find_in_file(spec: str, error: type[MdlpBenchError]) -> tuple[Path, str]:
    """The file and the name in `file.py:NAME`; nothing is imported.

    Args:
        spec: What a user typed, for which `is_file_spec` holds.
        error: What to raise.

    Raises:
        MdlpBenchError: Of type `error`: no such file, or no name; names those that the file defines.
    """
    path, attribute = file_and_name(spec)
    if not path.is_file():
        raise error(f"{path}: no such file")
    if not attribute:
        defined = ", ".join(f"{path}:{name}" for name in _names_in(path))
        raise error(f"{path}: name what is meant in it: {defined or f'{path}:NAME'}")
    return path, attribute


def _names_in(path: Path) -> list[str]:
    """The public names that a Python file defines, in order; none of a file that cannot be parsed."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            found += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.append(node.target.id)
    return [name for name in dict.fromkeys(found) if not name.startswith("_")]


def file_and_name(spec: str) -> tuple[Path, str]:
    """The two parts of `path/to/file.py:NAME`; the name may be missing."""
    file, _, name = spec.rpartition(":") if ".py:" in spec else (spec, "", "")
    return Path(file), name


def load_from_file(spec: str, error: type[MdlpBenchError]) -> object:
    """Import a user's file and return the object it names.

    Args:
        spec: `path/to/file.py:name`.
        error: What to raise.

    Raises:
        MdlpBenchError: Of type `error`: no such file, importing it fails, or it has no such name. Errors of
            this project's own that the file raises pass through.
    """
    path, attribute = find_in_file(spec, error)
    # The module name depends on the path, so that two files of one name do not clash in sys.modules.
    name = f"_mdlp_bench_user_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise error(f"{path}: cannot be imported as Python")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except MdlpBenchError:
        raise
    except Exception as reason:
        raise error(f"{path}: importing it raised {raised(reason)}") from reason
    if not hasattr(module, attribute):
        names = _names_in(path)
        there = f"; there are: {', '.join(names)}" if names else ""
        raise error(f"{path}: has no {attribute!r}{did_you_mean(attribute, names)}{there}")
    found: object = getattr(module, attribute)
    return found


def registered(group: str) -> dict[str, EntryPoint]:
    """What installed packages register in a group of entry points, by name; nothing is imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=group))}


class Registry(Mapping[str, T]):
    """Things of one kind by name: this package's own, those of other packages, and `file.py:NAME`.

    Iterating gives the names of the first two. The package's own cannot be replaced by others.

    Args:
        kind: What they are, for messages.
        group: The group of entry points.
        own: The package's own.
        type_: What an entry point or a file must give.
        error: What to raise for one that gives something else or cannot be loaded.
    """

    def __init__(
        self, kind: str, group: str, own: Mapping[str, T], type_: type[T], error: type[MdlpBenchError]
    ) -> None:
        self._kind, self._group, self._own, self._type, self._error = kind, group, own, type_, error
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name in self._own:
            return self._own[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (name for name in registered(self._group) if name not in self._own)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _load(self, name: str) -> T:
        entries = registered(self._group)
        if name in entries:
            try:
                found = entries[name].load()
            except Exception as reason:
                package = entries[name].dist
                raise self._error(
                    f"{self._kind} {name}: {package.name if package else 'its package'} cannot be loaded "
                    f"({type(reason).__name__}: {reason})"
                ) from reason
        elif is_file_spec(name):
            found = load_from_file(name, self._error)
        else:
            raise KeyError(name)
        if not isinstance(found, self._type):
            raise self._error(
                f"{self._kind} {name}: is a {type(found).__name__}, not a {self._type.__name__}"
            )
        return found
