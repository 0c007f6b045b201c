"""Find what can be trained: entry points of the group `mdlp_bench.trainables`, users' files; recipe files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdlp_bench.errors import MethodError, checked, no_such
from mdlp_bench.files import sha256_file
from mdlp_bench.training.config import TrainingConfig
from mdlp_bench.training.trainable import Trainable
from mdlp_bench.userfiles import TRAINABLE_GROUP, file_and_name, is_file_spec, load_from_file, registered
from mdlp_bench.yaml_text import read_yaml, yes_or_no


@dataclass(frozen=True)
class Recipe:
    """What a recipe file says.

    Attributes:
        options: The method's own options.
        training: The common configuration.
    """

    options: Mapping[str, Any]
    training: TrainingConfig


def trainable_names() -> list[str]:
    """The names that can be trained; nothing is imported."""
    return list(registered(TRAINABLE_GROUP))


def load_trainable(name: str, options: Mapping[str, Any]) -> Trainable:
    """Build what is trained.

    Args:
        name: As registered, or `file.py:NAME` of a `Trainable` or of a function of options that makes one.
        options: The method's own options; each method documents its own.

    Raises:
        MethodError: There is no such name, or an option is wrong.
    """
    if is_file_spec(name):
        target = load_from_file(name, MethodError)
        built = target(options) if callable(target) else target
        if not isinstance(built, Trainable):
            raise MethodError(f"{name}: gives a {type(built).__name__}, not a Trainable")
        return built
    entries = registered(TRAINABLE_GROUP)
    if name not in entries:
        raise no_such("trainable method", name, entries, MethodError, hint=", and file.py:NAME")
    made: Trainable = entries[name].load()(options)
    return made


def identity_of(name: str) -> dict[str, str]:
    """What tells a trainable from others in the record of a training: its name, and the content of a file."""
    if not is_file_spec(name):
        return {"method": name}
    path, attribute = file_and_name(name)
    return {"method": f"{path.name}:{attribute}", "source": sha256_file(path)}


def read_recipe(config: str | None, **changes: Any) -> Recipe:
    """Read a configuration.

    Args:
        config: A YAML file with the sections `options` and `training`, or a word that becomes the method's
            option `config` (its size), or None.
        changes: Fields of `TrainingConfig` that override the file's; None leaves them.

    Raises:
        MethodError: The file cannot be read or a field is unknown or wrong; names both.
    """
    sections: dict[str, Any] = {}
    if config is not None and Path(config).suffix in (".yaml", ".yml"):
        sections = read_yaml(Path(config), MethodError) or {}
        if (
            not isinstance(sections, dict)
            or sections.keys() - {"options", "training"}
            or not all(section is None or isinstance(section, dict) for section in sections.values())
        ):
            raise MethodError(f"{config}: must have the sections 'options' and 'training' and no others")
    elif config is not None:
        sections = {"options": {"config": config}}
    fields = (sections.get("training") or {}) | {k: v for k, v in changes.items() if v is not None}
    training = checked(TrainingConfig, fields, config or "training", MethodError)
    # Options have no types here, and a text that says no would count as true.
    options = {name: yes_or_no(value) for name, value in (sections.get("options") or {}).items()}
    return Recipe(options, training)
