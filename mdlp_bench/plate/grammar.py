"""The grammars of plates: templates by position, kept as data and usable as prefix automata."""

from __future__ import annotations

import os
import re
import string
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError, model_validator

from mdlp_bench.errors import PlateError, first_fault, reason
from mdlp_bench.frozen import Frozen
from mdlp_bench.yaml_text import parse_yaml

GRAMMARS_VARIABLE: Final = "MDLP_BENCH_GRAMMARS"
"""Environment variable with the path of a YAML file of further grammars (see `load_grammars`)."""

_LATIN: Final = frozenset(string.ascii_uppercase + string.digits)


@dataclass(frozen=True, slots=True)
class Template:
    """Texts of one length.

    Attributes:
        places: The characters allowed at each position.
        min_digits: The digits there must be in all.
    """

    places: tuple[str, ...]
    min_digits: int = 0

    def begins(self, prefix: str) -> bool:
        """Whether some text of the template starts with `prefix`."""
        missing = self.min_digits - sum(character in string.digits for character in prefix)
        return (
            len(prefix) <= len(self.places)
            and missing <= len(self.places) - len(prefix)
            and all(c in allowed for c, allowed in zip(prefix, self.places, strict=False))
        )

    def matches(self, text: str) -> bool:
        """Whether `text` is a text of the template."""
        return len(text) == len(self.places) and self.begins(text)

    @property
    def pattern(self) -> str:
        """A regular expression for the whole text, which Python and JavaScript read in the same way."""
        digits = f"(?=(?:[^0-9]*[0-9]){{{self.min_digits}}})" if self.min_digits else ""
        return "^" + digits + "".join(f"[{re.escape(allowed)}]" for allowed in self.places) + "$"


@dataclass(frozen=True)
class Grammar:
    """The plates of one issuer.

    Attributes:
        name: Its name in code and data files.
        title: Its name in tables.
        layouts: The templates of each layout.
        region: The glyphs, neither letters nor digits, that say where a plate comes from or what it is for;
            text metrics are also given without them. Empty where plates have none.
        separators: Characters people write between groups; they are not part of the text.
    """

    name: str
    title: str
    layouts: Mapping[str, tuple[Template, ...]] = field(hash=False)
    region: str = ""
    separators: str = ""

    def layouts_of(self, text: str) -> tuple[str, ...]:
        """The layouts whose templates a normalised text fits; none when it is not a plate of the grammar."""
        return tuple(
            name for name, templates in self.layouts.items() if any(t.matches(text) for t in templates)
        )

    @property
    def templates(self) -> tuple[Template, ...]:
        """The templates of all layouts."""
        return tuple(template for templates in self.layouts.values() for template in templates)

    @cached_property
    def characters(self) -> frozenset[str]:
        """Every character that a plate can have."""
        return frozenset(c for template in self.templates for place in template.places for c in place)

    def viable(self, prefix: str) -> bool:
        """Whether some plate of the grammar starts with `prefix`."""
        return _viable(self, prefix)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that plates have, ascending."""
        return tuple(sorted({len(template.places) for template in self.templates}))


# A beam search asks for the same prefixes many times.
@lru_cache(maxsize=65536)
def _viable(grammar: Grammar, prefix: str) -> bool:
    return any(template.begins(prefix) for template in grammar.templates)


class _Entry(Frozen):
    """One grammar of a data file."""

    title: str = Field(min_length=1)
    pattern: Annotated[str, Field(min_length=1)] | tuple[str, ...]
    length: int | tuple[int, ...] | None = None
    separators: str = ""
    letters: str = string.ascii_uppercase
    region: str = ""

    @property
    def patterns(self) -> tuple[str, ...]:
        return (self.pattern,) if isinstance(self.pattern, str) else self.pattern

    @model_validator(mode="after")
    def _consistent(self) -> _Entry:
        if not self.patterns or not all(self.patterns):
            raise ValueError("pattern must not be empty")
        if self.length is not None:
            stated = {self.length} if isinstance(self.length, int) else set(self.length)
            if stated != (found := {len(pattern) for pattern in self.patterns}):
                raise ValueError(
                    f"length says {sorted(stated)}, the patterns have {sorted(found)} characters"
                )
        if clash := _LATIN & set(self.separators):
            raise ValueError(f"{min(clash)!r} cannot be a separator: plates carry it")
        if clash := _LATIN & set(self.region):
            raise ValueError(f"region has {min(clash)!r}; a region sign is a glyph beside A-Z and 0-9")
        if not self.region and any("R" in pattern for pattern in self.patterns):
            raise ValueError("the pattern has R, but region names no glyphs")
        for place, characters in (
            ("pattern", "".join(self.patterns)),
            ("letters", self.letters),
            ("region", self.region),
        ):
            for character in characters:
                if character != (kept := _as_compared(character, self.region)):
                    remedy = f"write {kept}" if kept else "leave it out"
                    raise ValueError(f"{place} has {character!r}, which no compared text has; {remedy}")
        return self


def _as_compared(character: str, region: str) -> str:
    """What is left of a character once texts are normalised (see `mdlp_bench.plate.normalise`)."""
    plain = unicodedata.normalize("NFKC", character).upper()
    return plain if character in region or all(unicodedata.category(c)[0] in "LN" for c in plain) else ""


def load_grammars(path: Path) -> dict[str, Grammar]:
    """Read a YAML file of grammars: name -> title, pattern, length, separators.

        brazilian:
          title: Brazil, 1990 to 2018
          pattern: LLLNNNN      # L a letter, N a digit, S either, R a region sign; others are themselves
          length: 7             # optional: a check of the pattern
          separators: "-·"      # beside blanks, hyphens and dots, which are separators everywhere
          letters: ABCDEF...    # optional: the letters in use, A to Z by default
          region: 京津沪...      # optional: the glyphs that R in a pattern stands for

    A pattern may also be a list of patterns. Every grammar of a file is one layout of the same name.

    Raises:
        PlateError: The file cannot be read or an entry is wrong; names the file and the field.
    """
    try:
        return _parsed(path.read_bytes(), str(path))
    except OSError as error:
        raise PlateError(f"{path}: cannot be read ({reason(error)}); see {GRAMMARS_VARIABLE}") from error


def data_grammars(taken: Collection[str] = ()) -> Mapping[str, Grammar]:
    """The grammars that come with the package, then those of the file that `MDLP_BENCH_GRAMMARS` names.

    Args:
        taken: Further names that the file must not use.

    Raises:
        PlateError: That file is wrong, or uses a name of the package once more.
    """
    name = "grammars.yaml"
    found = _parsed(files("mdlp_bench.plate").joinpath(name).read_text(encoding="utf-8"), name)
    if own := own_grammars():
        further = load_grammars(own)
        if clash := sorted(further.keys() & {*found, *taken}):
            raise PlateError(f"{own}: {clash[0]} is a grammar or layout of the package; choose another name")
        found |= further
    return MappingProxyType(found)


def own_grammars() -> Path | None:
    """The file that `MDLP_BENCH_GRAMMARS` names; None when it names none."""
    named = os.environ.get(GRAMMARS_VARIABLE)
    return Path(named) if named else None


def _parsed(content: bytes | str, source: str) -> dict[str, Grammar]:
    loaded: Any = parse_yaml(content, source, PlateError)
    if not isinstance(loaded, dict) or not loaded:
        raise PlateError(f"{source}: expected a mapping from names to grammars, at least one")
    grammars = {}
    for name, fields in loaded.items():
        if not isinstance(fields, dict):
            raise PlateError(f"{source}: {name}: expected a mapping with title and pattern")
        try:
            entry = _Entry.model_validate(fields)
        except ValidationError as error:
            raise PlateError(f"{source}: {name}: {first_fault(error, 'grammar')}") from error
        classes = {
            "L": entry.letters,
            "N": string.digits,
            "S": entry.letters + string.digits,
            "R": entry.region,
        }
        templates = tuple(Template(tuple(classes.get(c, c) for c in pattern)) for pattern in entry.patterns)
        grammars[str(name)] = Grammar(
            str(name), entry.title, {str(name): templates}, entry.region, entry.separators
        )
    return grammars
