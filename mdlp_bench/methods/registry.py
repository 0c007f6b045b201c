"""Find a method by what a user types: a registered name, `file.py:function`, or a folder of restored PNGs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import MethodError, did_you_mean
from mdlp_bench.files import slugify
from mdlp_bench.images import decode
from mdlp_bench.methods.base import AnyMethod, FrameBatch, Method, MethodDescriptor, TextMethod
from mdlp_bench.userfiles import is_file_spec, load_from_file

ENTRY_POINT_GROUP: Final = "mdlp_bench.methods"
ABLATION_GROUP: Final = "mdlp_bench.ablations"

RestoreFunction = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]


class FunctionMethod(Method):
    """A method that is one function on frame batches (see `method`)."""

    def __init__(self, function: RestoreFunction, descriptor: MethodDescriptor) -> None:
        self.function = function
        self.descriptor = descriptor

    def restore_batch(self, batch: FrameBatch) -> npt.NDArray[np.uint8]:
        """Call the function with the first frames at the working size; uint8 [B, 112, 224, 3]."""
        return self.function(batch.frames(self.descriptor.frames_used))


class FolderMethod(Method):
    """Images somebody restored before: `<folder>/<sample_id>.png`, any size, scored at the working size."""

    def __init__(self, folder: Path) -> None:
        if not any(folder.glob("*.png")):
            raise MethodError(f"{folder}: no PNG file; a folder of restored images holds <sample_id>.png")
        self.folder = folder
        self.descriptor = MethodDescriptor(
            name=slugify(folder.resolve().name),
            title=folder.resolve().name,
            frames_used=0,
            frame_policy="unknown: restored elsewhere",
            licence="unknown",
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
            path = self.folder / f"{sample_id}.png"
            if not path.is_file():
                raise MethodError(f"{path}: missing; every sample needs its restored image")
            images.append(to_working_size(decode(path.read_bytes(), str(path))))
        return np.stack(images)


def method(
    *, name: str | None = None, frames: int = 3, title: str | None = None, **details: object
) -> Callable[[RestoreFunction], FunctionMethod]:
    """Make a function on frame batches a method.

    Args:
        name: Its name in runs; default the function's name.
        frames: How many frames it takes.
        title: Its name in tables; default `name`.
        details: Further fields of `MethodDescriptor` (licence, citation, parameters, ...).

    Returns:
        A decorator for `restore(frames: uint8 [B, N, 112, 224, 3]) -> uint8 [B, 112, 224, 3]`.

    Example:
        >>> import mdlp_bench as mb
        >>> @mb.method(name="first-frame", frames=1)
        ... def restore(frames):
        ...     return frames[:, 0]
    """

    def decorate(function: RestoreFunction) -> FunctionMethod:
        own = name or function.__name__.lower().replace("_", "-")
        fields = {"name": own, "title": title or own, "frames_used": frames, **details}
        return FunctionMethod(function, MethodDescriptor.model_validate(fields))

    return decorate


def registered_methods() -> dict[str, EntryPoint]:
    """The methods that installed packages register, by name; nothing is imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=ENTRY_POINT_GROUP))}


def registered_ablations() -> dict[str, EntryPoint]:
    """Registered methods that are another one with a part taken out: run when named, in no default list."""
    return {entry.name: entry for entry in sorted(entry_points(group=ABLATION_GROUP))}


def load_method(spec: str) -> AnyMethod:
    """Load a method.

    Args:
        spec: A registered name (`bicubic`), `path/to/file.py:function`, or a folder of `<sample_id>.png`.

    Raises:
        MethodError: There is no such method, or the file or function cannot be loaded.
        MdlpBenchError: What the method itself needs is missing (weights, a package).
    """
    registered = registered_methods() | registered_ablations()
    if spec in registered:
        return _instance(registered[spec].load(), spec)
    if is_file_spec(spec):
        return _from_file(spec)
    if Path(spec).is_dir():
        return FolderMethod(Path(spec))
    raise MethodError(
        f"no method {spec!r}{did_you_mean(spec, registered)}: give a registered name "
        f"({', '.join(registered) or 'none installed'}), file.py:function, or a folder of restored PNGs"
    )


def _instance(target: object, spec: str) -> AnyMethod:
    made = target if isinstance(target, AnyMethod) else cast("Callable[[], object]", target)()
    if not isinstance(made, AnyMethod):
        raise MethodError(f"method {spec}: its entry point gives a {type(made).__name__}, not a method")
    return made


def _from_file(spec: str) -> AnyMethod:
    target = load_from_file(spec, MethodError)
    if isinstance(target, AnyMethod):
        return target
    if isinstance(target, type) and issubclass(target, (Method, TextMethod)):
        return target()
    if callable(target):
        file_name, _, attribute = spec.rpartition(":")
        name = slugify(f"{Path(file_name).stem}-{attribute}")
        return method(name=name, title=f"{Path(file_name).name}:{attribute}")(target)
    raise MethodError(f"{spec}: is a {type(target).__name__}, not a function or Method")
