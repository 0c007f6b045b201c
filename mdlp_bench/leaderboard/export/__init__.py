"""Boards for other places: tables, citations, Hugging Face, Codabench."""

from mdlp_bench.leaderboard.export.codabench import write_codabench
from mdlp_bench.leaderboard.export.huggingface import eval_results, model_index
from mdlp_bench.leaderboard.export.tables import bibtex, board_table

__all__ = ["bibtex", "board_table", "eval_results", "model_index", "write_codabench"]
