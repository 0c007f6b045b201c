"""LP-Diff's weights on disk: the project's files, and the `I<iter>_E<epoch>_gen.pth` files of the release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baselines import authors_files
from baselines.lp_diff.config import LPDiffConfig
from baselines.lp_diff.network import LPDiff
from baselines.lp_diff.released import released_config
from mdlp_bench.methods.weights import load_exactly, load_network, read_state_dict, without_wrappers

if TYPE_CHECKING:
    from pathlib import Path

METHOD = "lp-diff"


def load(path: Path) -> LPDiff:
    """Read a network of any variant written by `save_network`, float32 and in evaluation mode.

    Raises:
        MissingWeightsError: The file does not exist.
        MethodError: It is not an LP-Diff file of this project, is damaged, or its weights do not fit its
            configuration.
    """
    with authors_files.loading(METHOD, path):
        return load_network(path, METHOD, LPDiffConfig, LPDiff)


def load_released(path: Path, norm_groups: int = 32) -> LPDiff:
    """Read a generator checkpoint of the release (`I<iter>_E<epoch>_gen.pth`), in evaluation mode.

    The configuration follows from the tensors: channels, levels, blocks, where attention sits and the noise
    schedule. Only the number of norm groups leaves no trace.

    Args:
        path: The file.
        norm_groups: Groups of the U-Net's group norms; 32 unless the release's config said otherwise.

    Raises:
        MissingWeightsError: The file does not exist.
        MethodError: It is not a generator checkpoint of the release; one line says what it is instead.
    """
    stored = read_state_dict(path)
    state = dict(next((table for table in without_wrappers(stored) if "betas" in table), stored))
    network = LPDiff(released_config(state, norm_groups, path))
    load_exactly(network, state, str(path))
    return network.eval()
