"""The report to a submitter: claims and recomputed scores, flags, places, differences to references."""

from __future__ import annotations

from mdlp_bench.harness.run import float_column
from mdlp_bench.harness.statistics import paired_differences
from mdlp_bench.leaderboard.boards import Board, BoardRow, boards, column, find_boards
from mdlp_bench.leaderboard.store import Entry, Store, reader_key
from mdlp_bench.metrics.base import METRICS

_COMPARED = 10


def report(store: Store, entry: Entry) -> str:
    """The report of an entry as Markdown, with places among all entries of the store."""
    form = entry.record.submission
    lines = [f"## {_cell(form.method)} {form.version} on {entry.record.dataset}", ""]
    if entry.record.claimed_vs_recomputed:
        lines += ["| Metric | Claimed | Recomputed | Agree |", "|---|--:|--:|---|"]
        for claim in entry.record.claimed_vs_recomputed:
            agree = "not computed" if claim.recomputed is None else "yes" if claim.agrees else "**no**"
            claimed, recomputed = (_number(v, claim.metric) for v in (claim.claimed, claim.recomputed))
            lines.append(f"| {METRICS[claim.metric].title} | {claimed} | {recomputed} | {agree} |")
        lines.append("")
    lines += [f"- **{flag.code}**: {_cell(flag.text)}" for flag in entry.flags]
    lines += [""] if entry.flags else []
    for board, row in find_boards(boards(store), entry):
        if board.kind != "text-only":
            lines += _board_lines(board, row)
    return "\n".join(lines).rstrip() + "\n"


def _board_lines(board: Board, row: BoardRow) -> list[str]:
    place = row.place
    lines = [
        f"### {_cell(board.title)}, {board.reader.title}, {board.protocol}",
        "",
        f"Place {place.rank} ({place.low}-{place.high}) of {len(board.rows)} by NED first, "
        f"{row.borda.rank} ({row.borda.low}-{row.borda.high}) by Borda's count.",
        "",
    ]
    ranked = [info for info in board.metrics if info.name in board.rankings]
    lines.append("| Method | " + " | ".join(info.title for info in ranked) + " |")
    lines.append("|---|" + "--:|" * len(ranked))
    lines.append(
        f"| **{_cell(row.entry.title)}** | " + " | ".join(_score(row, i.name) for i in ranked) + " |"
    )
    others = [other for other in board.rows if other.entry.key != row.entry.key][:_COMPARED]
    for other in others:
        cells = [_difference(board, row, other, info.name) for info in ranked]
        lines.append(f"| minus {_cell(other.entry.title)} | " + " | ".join(cells) + " |")
    return [*lines, "", f"Differences with 95 % intervals over plates; n = {board.card.n_samples:,}.", ""]


def _difference(board: Board, row: BoardRow, other: BoardRow, name: str) -> str:
    if row.scores[name].value is None or other.scores[name].value is None:
        return "–"
    key = reader_key(board.reader)
    first, second = (float_column(one.entry.table, column(one.entry, name, key)) for one in (row, other))
    (found,) = paired_differences(board.bootstrap, first, second)
    low, high = found.difference.low, found.difference.high
    digits = METRICS[name].decimals
    interval = "" if low is None or high is None else f" [{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"{found.difference.value:+.{digits}f}{interval}"


def _score(row: BoardRow, name: str) -> str:
    score = row.scores[name]
    group = f" {score.group}" if score.group else ""
    return _number(score.value, name) + group


def _number(value: float | None, name: str) -> str:
    return "–" if value is None else f"{value:.{METRICS[name].decimals}f}"


def _cell(text: str) -> str:
    """Text of a stranger inside a Markdown table: no markup, no links, no line breaks."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|~@" else c for c in " ".join(text.split()))
