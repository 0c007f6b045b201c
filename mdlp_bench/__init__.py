"""Dataset curation and benchmark suite for licence plate restoration.

    import mdlp_bench as mb

    data = mb.open("DATA", split="test")
    predictions = mb.predict(mb.load_method("bicubic"), data, "preds/bicubic")
    run = mb.score(predictions, data, "runs/bicubic")
    mb.compare([run]).print()

Names are imported when first used, so that `import mdlp_bench` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from mdlp_bench import metrics
    from mdlp_bench.api import (
        bench,
        compare,
        degrade,
        list_methods,
        load_network,
        open,
        plot,
        predict,
        render,
        score,
        train,
    )
    from mdlp_bench.api_data import audit, export, gap_study, pair, split, synthesise
    from mdlp_bench.api_leaderboard import Leaderboard, pack
    from mdlp_bench.errors import MdlpBenchError
    from mdlp_bench.harness.figure import sample_figure
    from mdlp_bench.methods import Method, load_method, method
    from mdlp_bench.metrics.base import metric
    from mdlp_bench.readers import load_reader

_NAMES = {
    "mdlp_bench.api": "bench compare degrade list_methods load_network open plot predict render score train",
    "mdlp_bench.api_data": "audit export gap_study pair split synthesise",
    "mdlp_bench.api_leaderboard": "Leaderboard pack",
    "mdlp_bench.errors": "MdlpBenchError",
    "mdlp_bench.harness.figure": "sample_figure",
    "mdlp_bench.methods": "Method load_method method",
    "mdlp_bench.metrics.base": "metric",
    "mdlp_bench.readers": "load_reader",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Leaderboard",
    "MdlpBenchError",
    "Method",
    "audit",
    "bench",
    "compare",
    "degrade",
    "export",
    "gap_study",
    "list_methods",
    "load_method",
    "load_network",
    "load_reader",
    "method",
    "metric",
    "metrics",
    "open",
    "pack",
    "pair",
    "plot",
    "predict",
    "render",
    "sample_figure",
    "score",
    "split",
    "synthesise",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return import_module("mdlp_bench.metrics")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
