"""A board as a score table (CSV, LaTeX, Markdown, HTML) and its citations as BibTeX."""

from __future__ import annotations

import re

from mdlp_bench.harness.tables import Cell, Column, Row, ScoreTable
from mdlp_bench.leaderboard.boards import Board


def board_table(board: Board) -> ScoreTable:
    """The board as a table that `harness.tables.write_table` writes in any of its formats."""
    titles = [row.entry.title for row in board.rows]
    return ScoreTable(
        columns=tuple(Column.from_metric(info) for info in board.metrics),
        rows=tuple(
            Row(
                name=row.entry.title
                if titles.count(row.entry.title) == 1
                else f"{row.entry.title} {row.entry.version}",
                kind="method",
                cells={
                    name: Cell(unavailable=score.unavailable or "not computed")
                    if score.value is None
                    else Cell(value=score.value, low=score.low, high=score.high, group=score.group)
                    for name, score in row.scores.items()
                },
                note=", ".join(flag.code for flag in row.entry.flags),
            )
            for row in board.rows
        ),
        protocol=f"{board.protocol}, reader {board.reader.title}",
        dataset=board.card.name,
        n=board.card.n_samples,
        n_plates=board.card.n_plates,
        intervals=board.bootstrap.describe(),
    )


def bibtex(board: Board) -> str:
    """The citations of a board's entries, best first, each once."""
    found: dict[str, str] = {}
    for row in board.rows:
        entry = row.entry.record.submission.bibtex
        if entry is not None:
            found.setdefault(re.sub(r"\s+", " ", entry).strip(), entry.strip())
    return "\n\n".join(found.values()) + ("\n" if found else "")
