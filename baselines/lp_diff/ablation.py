"""LP-Diff without one of its parts, and complete, all trained by one short recipe.

The recipe is `recipes/lp-diff/ablation.yaml`. The replacement of a removed part is described where it is
built: `PairConv` for ICAM, unchanged features for TEM, plain means for DFM (`conditioner.Conditioner`). These
are the paper's experiments 2 to 4; they are compared with the whole network of the same budget, not with the
longer trained `lp-diff`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from baselines.lp_diff.method import described
from baselines.weights import bundled
from mdlp_bench.errors import MethodError
from mdlp_bench.methods.network import NetworkMethod

Part = Literal["icam", "tem", "dfm"]


class Ablation(NamedTuple):
    """One variant.

    Attributes:
        title: Its name in tables.
        without: The part that it lacks; None for the whole network.
    """

    title: str
    without: Part | None


ABLATIONS: Final[Mapping[str, Ablation]] = MappingProxyType(
    {
        "lp-diff-ablation-full": Ablation("LP-Diff, ablation budget", None),
        "lp-diff-no-icam": Ablation("without ICAM", "icam"),
        "lp-diff-no-tem": Ablation("without TEM", "tem"),
        "lp-diff-no-dfm": Ablation("without DFM", "dfm"),
    }
)


def ablation(name: str) -> NetworkMethod:
    """A variant with its bundled weights.

    Args:
        name: A key of `ABLATIONS`, which is also its name in runs.

    Raises:
        MissingWeightsError: Its weights are not there; says how to train them.
        MethodError: The file is not an LP-Diff weight file, or of another variant.
    """
    variant = ABLATIONS[name]
    path = bundled(name)
    method = described(path, name=name, title=variant.title, is_bundled=True)
    lacking = [part for part in ("icam", "tem", "dfm") if not getattr(method.network.config, part)]
    if lacking != ([variant.without] if variant.without else []):
        raise MethodError(f"{path}: lacks {', '.join(lacking) or 'nothing'}, not what {name} lacks")
    return method


full, no_icam, no_tem, no_dfm = (partial(ablation, name) for name in ABLATIONS)
