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

__version__ = "0.1.0"

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

_HOMES = {
    "Leaderboard": "mdlp_bench.api_leaderboard",
    "MdlpBenchError": "mdlp_bench.errors",
    "Method": "mdlp_bench.methods",
    "audit": "mdlp_bench.api_data",
    "bench": "mdlp_bench.api",
    "compare": "mdlp_bench.api",
    "degrade": "mdlp_bench.api",
    "export": "mdlp_bench.api_data",
    "gap_study": "mdlp_bench.api_data",
    "list_methods": "mdlp_bench.api",
    "load_method": "mdlp_bench.methods",
    "load_network": "mdlp_bench.api",
    "load_reader": "mdlp_bench.readers",
    "method": "mdlp_bench.methods",
    "metric": "mdlp_bench.metrics.base",
    "metrics": "mdlp_bench",
    "open": "mdlp_bench.api",
    "pack": "mdlp_bench.api_leaderboard",
    "pair": "mdlp_bench.api_data",
    "plot": "mdlp_bench.api",
    "predict": "mdlp_bench.api",
    "render": "mdlp_bench.api",
    "sample_figure": "mdlp_bench.harness.figure",
    "score": "mdlp_bench.api",
    "split": "mdlp_bench.api_data",
    "synthesise": "mdlp_bench.api_data",
    "train": "mdlp_bench.api",
}

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
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _HOMES[name] == __name__:
        return import_module(f"{__name__}.{name}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
