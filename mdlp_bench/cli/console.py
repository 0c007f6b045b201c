"""What commands share: opening data sets, notes on standard error, JSON and tables on standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mdlp_bench.data import Samples

_SHOWN = 5
_TOLD = {"order-unclear": "samples", "text-unreadable": "labels", "ignored-column": "columns"}


def counted(count: int, what: str, several: str | None = None) -> str:
    """A number with its noun: "1 sample", "2,000 samples", "3 entries"."""
    return f"{count:,} {what if count == 1 else several or what + 's'}"


def comma_separated(text: str) -> list[str]:
    """The parts of an option's value, without the blanks around them; empty parts are left out."""
    return [part.strip() for part in text.split(",") if part.strip()]


def echo_json(value: Any) -> None:
    """Print strict JSON, indented."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def opened(
    data: str | Path,
    *,
    split: str | None = None,
    source: str | None = None,
    order: str | None = None,
    labels: Path | None = None,
    limit: int | None = None,
) -> Samples:
    """Open a data set and show its notes (see `tell_notes`)."""
    from mdlp_bench.data import open_samples

    samples = open_samples(data, split=split, source=source, order=order, labels=labels, limit=limit)
    tell_notes(samples)
    return samples


def tell_notes(samples: Samples) -> None:
    """Show on standard error how frames were ordered where names allow two orders, labels without a text, and
    columns of pictures that no sample takes.

    Of each kind the first few are shown.
    """
    for code, what in _TOLD.items():
        found = [problem.message for problem in samples.listing_problems() if problem.code == code]
        for message in found[:_SHOWN]:
            typer.echo(f"note: {message}", err=True)
        if len(found) > _SHOWN:
            typer.echo(f"note: and {len(found) - _SHOWN:,} more {what}, {len(found):,} in all", err=True)


def tell_left_out(samples: Samples) -> None:
    """Show on standard error which samples of a folder are left out, and why; the first few.

    It is known once the images have been read. Those of a Parquet folder were told when that was built.
    """
    problems = samples.problems if samples.manifest is None else ()
    found = [one.message for one in problems if one.rejected and one.is_defect]
    for message in found[:_SHOWN]:
        typer.echo(f"left out: {message}", err=True)
    if len(found) > _SHOWN:
        typer.echo(
            f"left out: and {len(found) - _SHOWN:,} more; `mdlp-bench data inspect` lists them", err=True
        )


def tell_readers(texts_read: Mapping[str, int], n_texts: int) -> None:
    """Show in one line how many texts of a data set each reader can read."""
    if not n_texts:
        return
    by_count: dict[int, list[str]] = {}
    for name, count in texts_read.items():
        by_count.setdefault(count, []).append(name)
    parts = []
    for count, names in sorted(by_count.items(), reverse=True):
        share = "all" if count == n_texts else f"{count:,} of {n_texts:,}" if count else "none"
        parts.append(f"{share} by {', '.join(names)}")
    typer.echo(f"texts within the alphabets of readers: {'; '.join(parts)}")


def make_table(title: str, *columns: str, caption: str | None = None) -> Table:
    """A table that folds long cells instead of cutting them."""
    from rich.table import Table

    table = Table(title=title, caption=caption)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def make_console() -> Console:
    """Standard output; file names may contain brackets, so markup is off."""
    from rich.console import Console

    return Console(markup=False, highlight=False)
