"""ImageNet backbones of LPIPS and FID in torch hub's cache: found, downloaded or asked for in one line."""

from __future__ import annotations

import http.client
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mdlp_bench.errors import MissingWeightsError, reason
from mdlp_bench.files import sha256_bytes, sha256_file, write_bytes

if TYPE_CHECKING:
    from torch import nn

_HOST: Final = "https://download.pytorch.org/models/"
_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Backbone:
    """A weight file of torchvision.

    Attributes:
        file_name: Its name in the cache; the eight digits at its end begin its SHA-256.
        purpose: What needs it, for the error message.
    """

    file_name: str
    purpose: str

    @property
    def url(self) -> str:
        """Where torchvision publishes it."""
        return _HOST + self.file_name

    @property
    def hash_prefix(self) -> str:
        """The first eight hexadecimal digits of its SHA-256."""
        return Path(self.file_name).stem.rpartition("-")[2]


BACKBONES: Final = {
    "alex": Backbone("alexnet-owt-7be5be79.pth", "LPIPS (alex)"),
    "squeeze": Backbone("squeezenet1_1-b8a52dc0.pth", "LPIPS (squeeze)"),
    "vgg": Backbone("vgg16-397923af.pth", "LPIPS (vgg)"),
    "inception": Backbone("inception_v3_google-0cc3c7bd.pth", "Inception (FID, KID)"),
}


def cache_folder() -> Path:
    """Torch hub's checkpoint folder, as `TORCH_HOME` (or `torch.hub.set_dir`) places it."""
    if "torch.hub" in sys.modules:
        return Path(sys.modules["torch.hub"].get_dir()) / "checkpoints"
    # Without another folder set, importing torch only to ask for it would take seconds.
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub" / "checkpoints"


def is_cached(backbone: Backbone) -> bool:
    """Whether the weight file is in the cache."""
    return (cache_folder() / backbone.file_name).is_file()


def backbone_file(backbone: Backbone, *, download: bool = True) -> tuple[Path, str]:
    """The weight file, downloaded when the cache does not have it, and its SHA-256.

    A file that is in the cache already is trusted, as torch hub trusts it: the same weights saved again have
    another SHA-256. Runs record it, so it shows which file was used.

    Raises:
        MissingWeightsError: It is not there and cannot, or without `download` must not, be downloaded.
    """
    path = cache_folder() / backbone.file_name
    if not is_cached(backbone):
        if not download:
            raise MissingWeightsError(f"{backbone.purpose} needs {backbone.url}; save it as {path}")
        _download(backbone, path)
    return path, sha256_file(path)


def damaged(path: Path, error: Exception) -> MissingWeightsError:
    """The error to raise when a weight file cannot be loaded."""
    return MissingWeightsError(f"{path}: no usable weight file ({reason(error)}); delete it and try again")


def refuse_not_finite(network: nn.Module, path: Path) -> None:
    """Raise `MissingWeightsError` when a network loaded from `path` holds weights that are not finite."""
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise damaged(path, ValueError(f"{name} holds values that are not finite"))


def _download(backbone: Backbone, path: Path) -> None:
    try:
        with urllib.request.urlopen(backbone.url, timeout=_TIMEOUT_S) as response:
            content = response.read()
    except (OSError, urllib.error.URLError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise MissingWeightsError(
            f"{backbone.purpose} needs {backbone.url} (download failed: {reason}); save it as {path}"
        ) from error
    if not sha256_bytes(content).startswith(backbone.hash_prefix):
        raise MissingWeightsError(
            f"{backbone.purpose}: the download of {backbone.url} is not the published file; save it as {path}"
        )
    write_bytes(path, content)
