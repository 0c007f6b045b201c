"""Scores for Hugging Face model repositories: `.eval_results/*.yaml` and a model card's `model-index`."""

from __future__ import annotations

import re
from typing import Any

import yaml

from mdlp_bench.errors import SubmissionError
from mdlp_bench.leaderboard.boards import Board, BoardRow
from mdlp_bench.metrics.base import METRICS

_TASK_TYPE = "image-to-image"


def eval_results(board: Board, row: BoardRow, dataset_id: str) -> str:
    """The text of `.eval_results/<name>.yaml`: one entry per ranked metric, each a task of the data set.

    Args:
        board: The board.
        row: The entry.
        dataset_id: Id of the data set's repository on the hub, `owner/name`.

    Raises:
        SubmissionError: The id is not `owner/name`.
    """
    _check_id(dataset_id)
    form = row.entry.record.submission
    found = []
    for name in board.rankings:
        score = row.scores[name]
        if score.value is None:
            continue
        one: dict[str, Any] = {
            "dataset": {"id": dataset_id, "task_id": name},
            "value": round(score.value, METRICS[name].decimals + 2),
            "date": row.entry.record.added[:10],
            "notes": _notes(board, row, name),
        }
        if form.paper_url or form.code_url:
            one["source"] = {"url": form.paper_url or form.code_url, "name": form.method}
        found.append(one)
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=120)


def model_index(board: Board, row: BoardRow, dataset_id: str) -> str:
    """The metadata block of a model card with its `model-index` (arguments, errors as in `eval_results`)."""
    _check_id(dataset_id)
    form = row.entry.record.submission
    metrics = [
        {
            "type": name,
            "value": round(score.value, METRICS[name].decimals + 2),
            "name": METRICS[name].title,
        }
        for name in board.rankings
        if (score := row.scores[name]).value is not None
    ]
    dataset = {"type": dataset_id, "name": board.card.name}
    if "/" in board.card.name:  # the name of one split of a data set ends with it
        dataset["split"] = board.card.name.rpartition("/")[2]
    index = {
        "model-index": [
            {
                "name": form.method,
                "results": [
                    {
                        "task": {"type": _TASK_TYPE, "name": "Licence plate restoration"},
                        "dataset": dataset,
                        "metrics": metrics,
                    }
                ],
            }
        ]
    }
    return f"---\n{yaml.safe_dump(index, sort_keys=False, allow_unicode=True, width=120)}---\n"


def _notes(board: Board, row: BoardRow, name: str) -> str:
    score = row.scores[name]
    decimals = METRICS[name].decimals
    interval = (
        "" if score.low is None else f", 95 % interval {score.low:.{decimals}f} to {score.high:.{decimals}f}"
    )
    samples = f"samples {board.card.fingerprint[:8]}"
    return f"{board.protocol}, reader {board.reader.title} {board.reader.version}, {samples}{interval}"


def _check_id(dataset_id: str) -> None:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", dataset_id):
        raise SubmissionError(
            f"{dataset_id!r} is not a data set on the hub; give owner/name, as in its address"
        )
