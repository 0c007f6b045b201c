"""Where and how networks compute: the device, the precision and the numerics that a user asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast, get_args

from mdlp_bench.errors import MdlpBenchError, one_of

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16"]
Numerics = Literal["exact", "batched"]

_DEVICE: Final = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


@dataclass(frozen=True)
class Compute:
    """A resolved choice of device, precision and numerics; see `Compute.resolve`.

    Attributes:
        device: `cpu`, `mps`, `cuda` or `cuda:N`.
        precision: Of matrix products and convolutions; `bf16` and `fp16` run under autocast.
        numerics: `exact` restores sample by sample on one CPU thread, so the bytes do not depend on batch or
            workers. `batched` calls the network on whole batches, on any device.
    """

    device: str = "cpu"
    precision: Precision = "fp32"
    numerics: Numerics = "exact"

    def __post_init__(self) -> None:
        one_of("precision", self.precision, get_args(Precision), MdlpBenchError)
        one_of("numerics", self.numerics, get_args(Numerics), MdlpBenchError)
        if self.numerics == "exact" and (self.device, self.precision) != ("cpu", "fp32"):
            raise MdlpBenchError(
                f"exact numerics are those of the CPU in fp32, not of {self.device} in {self.precision}; "
                "use batched numerics"
            )

    @classmethod
    def resolve(
        cls,
        device: str | torch.device = "auto",
        precision: str = "fp32",
        numerics: str | None = None,
        *,
        remote: bool = False,
    ) -> Self:
        """Resolve what a user asked for on this machine.

        Args:
            device: `auto` (a GPU when there is one), `cpu`, `cuda`, `cuda:N` or `mps`, or a `torch.device`.
            precision: See the class.
            numerics: See the class; default `batched` on GPUs and in short precisions, else `exact`.
            remote: The work is done on other machines: the device is looked for there, not here.

        Raises:
            MdlpBenchError: The device is unknown or not there, or exact numerics are asked of a GPU.
        """
        device = device_name(device)
        if device == "auto":
            # Exact numerics and work elsewhere are the CPU's unless a device is named.
            device = "cpu" if numerics == "exact" or remote else _best()
        elif not remote:
            check_device(device)
        elif not _DEVICE.fullmatch(device):
            raise _unknown(device)
        elif ":" in device:
            raise MdlpBenchError(f"device {device}: a cluster assigns its GPUs itself; use --device cuda")
        wanted = numerics or ("exact" if (device, precision) == ("cpu", "fp32") else "batched")
        # Both are checked where they are stored.
        return cls(device, cast("Precision", precision), cast("Numerics", wanted))

    @classmethod
    def for_scoring(
        cls, device: str | torch.device = "auto", precision: str = "fp32", *, remote: bool = False
    ) -> Self:
        """The device on which scores are computed: always in fp32, whose values agree on all devices to 1e-4.

        Raises:
            MdlpBenchError: As in `resolve`, or another precision is asked for.
        """
        if precision != "fp32":
            raise MdlpBenchError(f"scores are computed in fp32, not in {precision}; leave --precision out")
        return cls.resolve(device, remote=remote)

    @property
    def dtype(self) -> torch.dtype | None:
        """The type of autocast, None in `fp32`."""
        import torch

        return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]


EXACT: Final = Compute()
"""The CPU's reference numerics, those of the leaderboard."""


@contextmanager
def whole_fp32() -> Iterator[None]:
    """Convolutions and recurrent layers of float32 in all of its bits, on GPUs too.

    There PyTorch shortens their factors to TF32 (11 bits) by default, whose errors are larger than what
    batched numerics and scores are allowed.
    """
    import torch

    cudnn: Any = torch.backends.cudnn
    try:
        switches: list[tuple[Any, str, Any, Any]] = [(cudnn, "allow_tf32", cudnn.allow_tf32, False)]
    except RuntimeError:
        # The program has set the newer switches, one per kind of layer; the older one cannot be read then.
        switches = [(one, "fp32_precision", one.fp32_precision, "ieee") for one in (cudnn.conv, cudnn.rnn)]
    try:
        for home, name, _, whole in switches:
            setattr(home, name, whole)
        yield
    finally:
        for home, name, given, _ in switches:
            setattr(home, name, given)


def device_name(device: str | torch.device) -> str:
    """The project's name of a device; `cpu:0` and `mps:0`, the only ones of their kind, lose the number."""
    name = str(device)
    return name.removesuffix(":0") if name in ("cpu:0", "mps:0") else name


def check_device(name: str) -> None:
    """Return when the device is there.

    Args:
        name: `cpu`, `mps`, `cuda` or `cuda:N`.

    Raises:
        MdlpBenchError: It is unknown or not there; says what is.
    """
    if not _DEVICE.fullmatch(name) or name == "auto":
        raise _unknown(name)
    if name == "cpu":
        return
    import torch

    kind, _, number = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else int(torch.backends.mps.is_available())
    if count <= int(number or 0):
        there = f"{count} CUDA device{'s' if count > 1 else ''} and the CPU" if count else "the CPU"
        raise MdlpBenchError(f"device {name}: not on this machine, which has {there}; use --device auto")


def check_asked(device: str | torch.device, *, remote: bool = False) -> None:
    """Check a device that a user asked for before anything else is done; `auto` is there always.

    Args:
        device: As for `Compute.resolve`.
        remote: The device is looked for on other machines, when they start.

    Raises:
        MdlpBenchError: It is unknown or not there.
    """
    name = device_name(device)
    if name != "auto" and not remote:
        check_device(name)


def _best() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _unknown(name: str) -> MdlpBenchError:
    return MdlpBenchError(f"device {name!r}: choose from auto, cpu, cuda, cuda:N and mps")
