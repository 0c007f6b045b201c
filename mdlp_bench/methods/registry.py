"""Find a method by what a user types: a registered name, `file.py:function`, weights, or a folder of PNGs."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import MdlpBenchError, MethodError, MissingWeightsError, checked, no_such
from mdlp_bench.files import slugify
from mdlp_bench.images import decode
from mdlp_bench.methods.base import AnyMethod, FrameBatch, Method, MethodDescriptor
from mdlp_bench.userfiles import (
    TRAINABLE_GROUP,
    file_and_name,
    find_in_file,
    is_file_spec,
    load_from_file,
    registered,
)

ENTRY_POINT_GROUP: Final = "mdlp_bench.methods"
DESCRIPTOR_GROUP: Final = "mdlp_bench.descriptors"

RestoreFunction = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]


class FunctionMethod(Method):
    """A method that is one function on frame batches (see `method`)."""

    def __init__(
        self, function: RestoreFunction, descriptor: MethodDescriptor, *, is_named: bool = True
    ) -> None:
        self.function = function
        self.descriptor = descriptor
        self.is_named = is_named

    def restore_batch(self, batch: FrameBatch) -> npt.NDArray[np.uint8]:
        """Call the function with the first frames at the working size; uint8 [B, 112, 224, 3]."""
        return self.function(batch.frames(self.descriptor.frames_used))


class FolderMethod(Method):
    """Images that were restored elsewhere: `<folder>/<sample_id>.png`, any size, scored at the working size.

    A picture may also have the name of its group in MDLP (the sample id without its split). Other files
    are ignored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pictures = {path.stem: path for path in pictures_in(folder)}
        self.descriptor = MethodDescriptor(
            name=slugify(folder.resolve().name),
            title=folder.resolve().name,
            frames_used=0,
            frame_policy="unknown: restored elsewhere",
            licence="unknown",
        )

    def check(self, sample_ids: Sequence[str]) -> None:
        """Check that the pictures can be those of these samples.

        Raises:
            MethodError: No sample has a picture, or two samples have the same one.
        """
        found: dict[str, str] = {}
        for sample_id in sample_ids:
            stem = self._stem(sample_id)
            if stem is not None and (other := found.setdefault(stem, sample_id)) != sample_id:
                raise MethodError(
                    f"{self._pictures[stem]}: is it {other} or {sample_id}? Name it by the whole sample id"
                )
        if not found:
            raise MethodError(
                f"{self.folder}: none of its {len(self._pictures):,} PNGs has the name of a sample, such as "
                f"{sample_ids[0]}.png; the first is {next(iter(self._pictures.values())).name}"
            )

    def restore_batch(self, batch: FrameBatch) -> npt.NDArray[np.uint8]:
        """Read the stored images; uint8 [B, 112, 224, 3].

        Raises:
            MethodError: An image is missing; names it.
            DataError: An image cannot be decoded; names it.
        """
        from mdlp_bench.metrics.protocol import to_working_size

        images = []
        for sample_id in batch.sample_ids:
            stem = self._stem(sample_id)
            if stem is None:
                path = self.folder / f"{sample_id}.png"
                raise MethodError(f"{path}: missing; every sample needs its restored image")
            path = self._pictures[stem]
            images.append(to_working_size(decode(path.read_bytes(), str(path))))
        return np.stack(images)

    def _stem(self, sample_id: str) -> str | None:
        if sample_id in self._pictures:
            return sample_id
        group = sample_id.partition("-")[2]
        return group if group in self._pictures else None


def pictures_in(folder: Path) -> list[Path]:
    """The PNGs of a folder by name, whatever the case of their suffix; hidden files do not count.

    Raises:
        MethodError: There are none, or two that differ in the case of the suffix only; names where PNGs are.
    """
    found = sorted(path for path in folder.iterdir() if _is_picture(path))
    if not found:
        inside = next((path.parent for path in sorted(folder.glob("*/*")) if _is_picture(path)), None)
        where = f" (PNGs are in {inside}; give that)" if inside else ""
        raise MethodError(f"{folder}: no PNG file{where}; a folder of restored images holds <sample_id>.png")
    for first, second in pairwise(found):
        if first.stem == second.stem:
            raise MethodError(f"{folder}: {first.name} and {second.name} have one name; remove one")
    return found


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() == ".png" and not path.name.startswith(".") and path.is_file()


def method(
    *, name: str | None = None, frames: int = 3, title: str | None = None, **details: object
) -> Callable[[RestoreFunction], FunctionMethod]:
    """Make a function on frame batches a method.

    Args:
        name: Its name in runs; default the function's name, after the file's where it is loaded from one.
        frames: How many frames it takes.
        title: Its name in tables; default `name`.
        details: Further fields of `MethodDescriptor` (licence, citation, parameters, ...).

    Returns:
        A decorator for `restore(frames: uint8 [B, N, 112, 224, 3]) -> uint8 [B, 112, 224, 3]`.

    Raises:
        MethodError: There is no such field, or a field has no such value.

    Example:
        >>> import mdlp_bench as mb
        >>> @mb.method(name="first-frame", frames=1)
        ... def restore(frames):
        ...     return frames[:, 0]
    """

    for word in details:
        if word not in MethodDescriptor.model_fields:
            words = ["name", "frames", "title", *MethodDescriptor.model_fields]
            raise no_such("argument", word, words, MethodError, where="method")

    def decorate(function: RestoreFunction) -> FunctionMethod:
        own = name or function.__name__.lower().replace("_", "-")
        fields = {"name": own, "title": title or own, "frames_used": frames, **details}
        descriptor = checked(MethodDescriptor, fields, f"method {own}", MethodError)
        return FunctionMethod(function, descriptor, is_named=name is not None)

    return decorate


def registered_methods() -> dict[str, EntryPoint]:
    """The methods that installed packages register, by name; nothing is imported."""
    return registered(ENTRY_POINT_GROUP)


def describe_methods() -> dict[str, MethodDescriptor | MdlpBenchError]:
    """The descriptors of all registered methods, or why one cannot be loaded.

    Only methods that no entry point of the group `mdlp_bench.descriptors` describes are loaded; such an entry
    point names a function that returns descriptors by method name.
    """
    known: dict[str, MethodDescriptor | MdlpBenchError] = {}
    for entry in registered(DESCRIPTOR_GROUP).values():
        known |= entry.load()()
    found: dict[str, MethodDescriptor | MdlpBenchError] = {}
    for name in registered_methods():
        try:
            found[name] = known[name] if name in known else load_method(name).descriptor
        except MdlpBenchError as error:
            found[name] = error
    return found


def load_method(spec: str | Path, name: str | None = None) -> AnyMethod:
    """Load a method.

    Args:
        spec: One of

            - a registered name (`bicubic`),
            - `path/to/file.py:NAME`, where NAME is a function on frame batches, a `Method`, an `nn.Module`,
              or what makes one of these when called without arguments,
            - either of these with weights, `lp-diff=runs/x/weights.safetensors` or `net.py:build=w.pth`,
              where NAME may also be a `Trainable`,
            - a folder of `<sample_id>.png`.
        name: What to call it instead.

    Raises:
        MethodError: There is no such method, or the file, function or weights cannot be loaded.
        MdlpBenchError: What the method itself needs is missing (weights, a package).

    Example:
        >>> import mdlp_bench as mb
        >>> mb.load_method("bicubic").descriptor.frames_used
        1
    """
    found = _load(str(spec))
    if name is not None and name != found.descriptor.name:
        _rename(found, name, f"{found.descriptor.title} ({name})")
    return found


def distinct_names(specs: Sequence[str], names: Sequence[str]) -> list[str]:
    """Distinct names for methods; where some share a name, it is preceded by the folder of their file.

    Raises:
        MethodError: Two methods that do not come from files have one name.
    """
    distinct = list(names)
    for index, (spec, name) in enumerate(zip(specs, names, strict=True)):
        target, weights = _with_weights(spec)
        path = weights or (file_and_name(target)[0] if is_file_spec(target) else Path(target))
        if names.count(name) > 1 and path.exists():
            distinct[index] = slugify(f"{path.resolve().parent.name}-{name}")[:80]
    if twice := {name for name in distinct if distinct.count(name) > 1}:
        raise MethodError(f"two methods are called {min(twice)!r}; rename one")
    return distinct


def check_method(spec: str) -> None:
    """Check that there is what `load_method` would load; nothing is imported.

    Raises:
        MethodError: There is no such method or file.
        MissingWeightsError: There is no such weight file.
    """
    known = registered_methods()
    if spec in known or Path(spec).is_dir():
        return
    target, weights = _with_weights(spec)
    if weights is not None and not weights.is_file():
        raise MissingWeightsError(f"{weights}: no such weight file")
    if is_file_spec(target):
        find_in_file(target, MethodError)
    elif weights is None:
        hint = "; also file.py:function, either of them with =WEIGHTS, or a folder of restored PNGs"
        raise no_such("method", spec, known, MethodError, hint=hint)
    elif target not in (entries := _that_take_weights()):
        raise no_such("method for weights", target, sorted(entries), MethodError, hint=", or file.py:NAME")


def with_absolute_paths(spec: str) -> str:
    """The same method whatever the working folder: files in it get their whole paths."""
    if Path(spec).is_dir():
        return str(Path(spec).resolve())
    target, weights = _with_weights(spec)
    if is_file_spec(target):
        path, name = file_and_name(target)
        target = f"{path.resolve()}:{name}"
    return target if weights is None else f"{target}={weights.resolve()}"


def _load(spec: str) -> AnyMethod:
    check_method(spec)
    known = registered_methods()
    if spec in known:
        return _instance(known[spec].load(), spec)
    if Path(spec).is_dir():
        return FolderMethod(Path(spec))
    target, weights = _with_weights(spec)
    return _from_file(spec) if weights is None else _of_weights(target, weights, spec)


def _that_take_weights() -> dict[str, EntryPoint]:
    return registered(TRAINABLE_GROUP) | registered_methods()


def _with_weights(spec: str) -> tuple[str, Path | None]:
    """`TARGET=WEIGHTS` in two parts; no weights where it does not have that form."""
    found = re.fullmatch(r"(.+?\.py:\w+|[^=]+)=(.+)", spec)
    return (found[1], Path(found[2])) if found else (spec, None)


def _instance(target: object, spec: str) -> AnyMethod:
    made = target if isinstance(target, AnyMethod) else cast("Callable[[], object]", target)()
    if not isinstance(made, AnyMethod):
        raise MethodError(f"method {spec}: its entry point gives a {type(made).__name__}, not a method")
    return made


def _of_weights(target: str, weights: Path, spec: str) -> AnyMethod:
    """A registered method, trainable or network of a file, with weights; named after both."""
    if is_file_spec(target):
        factory: Any = load_from_file(target, MethodError)
        base = _name_of_file(target)
    else:
        factory, base = _that_take_weights()[target].load(), target
    label = weights.resolve().parent.name if weights.stem == "weights" else weights.stem
    name = slugify(f"{base}-{label}")[:80]
    if not callable(factory) or isinstance(factory, AnyMethod):
        raise MethodError(f"{spec}: {target} is a method already; name what builds its network")
    from mdlp_bench.methods.network import method_of_weights

    parameters = inspect.signature(factory).parameters
    if "weights" in parameters:
        found = factory(weights=weights)
        if not isinstance(found, AnyMethod):
            raise MethodError(f"{target}: gives a {type(found).__name__} for weights, not a method")
        _rename(found, name, f"{found.descriptor.title} ({label})")
        return found
    return method_of_weights(factory, weights, name)


def _rename(found: AnyMethod, name: str, title: str) -> None:
    found.descriptor = found.descriptor.model_copy(update={"name": name, "title": title})


def _from_file(spec: str) -> AnyMethod:
    target = load_from_file(spec, MethodError)
    name = _name_of_file(spec)
    if callable(target) and not isinstance(target, AnyMethod) and _takes_nothing(target):
        # What makes a method or a network.
        target = target()
    if isinstance(target, FunctionMethod) and not target.is_named:
        return FunctionMethod(target.function, target.descriptor.model_copy(update={"name": name}))
    if isinstance(target, AnyMethod):
        return target
    if isinstance(target, type) and hasattr(target, "state_dict"):
        raise MethodError(f"{spec}: a network without weights; give {spec}=WEIGHTS")
    if "torch" in sys.modules and isinstance(target, sys.modules["torch"].nn.Module):
        from mdlp_bench.methods.network import method_of_network

        found = method_of_network(target, name)
        found.descriptor = found.descriptor.model_copy(update={"title": _title_of_file(spec)})
        return found
    if callable(target):
        return method(name=name, title=_title_of_file(spec))(target)
    raise MethodError(f"{spec}: is a {type(target).__name__}, not a function, Method or network")


def _name_of_file(spec: str) -> str:
    path, attribute = file_and_name(spec)
    return slugify(f"{path.stem}-{attribute}")[:80]


def _title_of_file(spec: str) -> str:
    file_name, _, attribute = spec.rpartition(":")
    return f"{Path(file_name).name}:{attribute}"


def _takes_nothing(target: Callable[..., object]) -> bool:
    if "torch" in sys.modules and isinstance(target, sys.modules["torch"].nn.Module):
        return False
    required = (p for p in inspect.signature(target).parameters.values() if p.default is p.empty)
    return not any(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in required)
