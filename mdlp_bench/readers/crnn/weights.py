"""Weight files of the CRNN: float16 tensors in safetensors, the configuration in the file's metadata."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from mdlp_bench.errors import MissingWeightsError, ReaderError, first_fault, reason
from mdlp_bench.files import write_bytes
from mdlp_bench.readers.crnn.network import CRNN, CrnnConfig

# The only key of the metadata: safetensors writes several in random order.
_KEY: Final = "mdlp-bench-crnn-1"


def bundled_weights(name: str = "crnn") -> Path:
    """A weight file that comes with the package: of `crnn`, `crnn-2` or `crnn-latin`."""
    return Path(str(files("mdlp_bench.readers.crnn") / f"{name}.safetensors"))


def save_crnn(network: CRNN, config: CrnnConfig, path: Path) -> None:
    """Write `network` as float16 with `config` in the metadata, atomically."""
    tensors = {
        name: (tensor.to(torch.float16) if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    write_bytes(path, save(tensors, {_KEY: config.model_dump_json()}))


def load_crnn(path: Path) -> CRNN:
    """Read a CRNN in evaluation mode, float32.

    Raises:
        MissingWeightsError: The file is not there.
        ReaderError: It is no weight file of a CRNN, or its tensors do not fit its configuration.
    """
    if not path.is_file():
        raise MissingWeightsError(
            f"{path}: missing; reinstall mdlp-bench or train a reader: mdlp-bench train reader"
        )
    try:
        with safe_open(str(path), framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name).to(torch.float32) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ReaderError(f"{path}: not a safetensors file ({reason(error)})") from error
    if _KEY not in metadata:
        raise ReaderError(f"{path}: not a CRNN of this project (its metadata lack {_KEY!r})")
    try:
        config = CrnnConfig.model_validate_json(metadata[_KEY])
    except ValidationError as error:
        raise ReaderError(f"{path}: unreadable configuration ({first_fault(error)})") from error
    network = CRNN(config)
    expected = {
        name: tensor.shape
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    for name in sorted(expected.keys() | tensors.keys()):
        want, got = expected.get(name), tensors[name].shape if name in tensors else None
        if want != got:
            raise ReaderError(
                f"{path}: tensor {name} is {_shape(got)}, its configuration wants {_shape(want)}"
            )
        if not tensors[name].isfinite().all():
            raise ReaderError(f"{path}: tensor {name} holds values that are not finite; the file is damaged")
    network.load_state_dict(tensors, strict=False)
    return network.eval()


def _shape(shape: torch.Size | None) -> str:
    return "absent" if shape is None else str(list(shape))
