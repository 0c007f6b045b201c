"""Write the site: works from file:// and below any address, loads nothing from elsewhere."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, Final

import jinja2

from mdlp_bench.errors import SubmissionError
from mdlp_bench.files import write_text
from mdlp_bench.harness.published import CAUTION, PUBLISHED, SOURCE
from mdlp_bench.leaderboard.boards import Board, BoardRow, boards, find_boards
from mdlp_bench.leaderboard.dataset_cards import SHOWN_FRAMES
from mdlp_bench.leaderboard.site.breakdown import breakdown
from mdlp_bench.leaderboard.site.data import (
    board_data,
    entry_data,
    page_name,
    samples_data,
    script_json,
    typical_sample,
)
from mdlp_bench.leaderboard.store import THUMBNAILS, Entry, Store, reader_key
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.protocol import CURRENT

MARKER: Final = ".mdlp-bench-site"
_PACKAGE: Final = "mdlp_bench.leaderboard.site"


def build_site(store: Store, out: Path) -> int:
    """Build the whole site again and put it in place of an earlier one.

    Args:
        store: The store.
        out: The folder; new, empty, or one that holds an earlier site.

    Returns:
        Number of pages.

    Raises:
        SubmissionError: `out` holds something else, or the store is damaged.
    """
    if out.exists() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise SubmissionError(f"{out}: holds something that is not a site; choose a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=out.parent) as work:
        folder = Path(work) / "site"
        n_pages = _Builder(store, folder).build()
        write_text(folder / MARKER, "Built by mdlp-bench; replaced by every build.\n")
        folder.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        folder.replace(out)
    return n_pages


class _Builder:
    def __init__(self, store: Store, out: Path) -> None:
        self._store = store
        self._out = out
        self._entries = store.entries()
        self._boards = boards(store)
        # Pages look up what they need of other entries, so the work grows in proportion to the entries.
        self._of: dict[str, list[Entry]] = defaultdict(list)
        self._versions: dict[str, list[Entry]] = defaultdict(list)
        for entry in self._entries:
            self._of[entry.record.dataset].append(entry)
            self._versions[entry.method].append(entry)
        self._standing: dict[str, list[tuple[Board, BoardRow]]] = defaultdict(list)
        for board in self._boards:
            for row in board.rows:
                self._standing[row.entry.method].append((board, row))
        self._pages = 0
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader(_PACKAGE, "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["score"] = _score
        self._environment.filters["share"] = lambda value: f"{100 * value:.1f} %"
        self._environment.globals.update(
            boards=self._boards,
            published=PUBLISHED,
            page_name=page_name,
            metrics=METRICS,
            reader_key=reader_key,
            current_protocol=CURRENT.id,
        )

    def build(self) -> int:
        """Write everything; the number of pages."""
        self._out.mkdir(parents=True)
        assets = resources.files(_PACKAGE) / "assets"
        for asset in assets.iterdir():
            write_text(self._out / "assets" / asset.name, asset.read_text(encoding="utf-8"))
        cards = {board.card.slug: board.card for board in self._boards}
        strips = {slug: self._strip(slug) for slug in cards}
        self._page("index.html", "index.html", cards=cards, strips=strips)
        for board in self._boards:
            data = script_json(board_data(board))
            self._page("board.html", f"boards/{board.slug}.html", board=board, data=data)
            self._page("compare.html", f"compare/{board.slug}.html", board=board, data=self._choices(board))
        for table in PUBLISHED:
            self._page(
                "published.html", f"boards/{table.slug}.html", table=table, source=SOURCE, caution=CAUTION
            )
        for entry in self._entries:
            self._method(entry)
        for slug in cards:
            self._samples(slug)
        return self._pages

    def _page(self, template: str, path: str, **values: Any) -> None:
        root = "../" * path.count("/")
        text = self._environment.get_template(template).render(root=root, here=path, **values)
        write_text(self._out / path, text)
        self._pages += 1

    def _choices(self, board: Board) -> str:
        """What the comparison page needs to know about a board."""
        return script_json(
            {
                "dataset": board.card.slug,
                "reader": reader_key(board.reader),
                "metrics": [
                    {
                        "name": info.name,
                        "title": info.title,
                        "higher": info.higher_is_better,
                        "decimals": info.decimals,
                        "key": f"{info.name}|{reader_key(board.reader)}"
                        if info.name in ("ned", "acc", "cer")
                        else info.name,
                    }
                    for info in board.metrics
                    if info.name in board.rankings
                ],
                "methods": [
                    [
                        page_name(r.entry),
                        r.entry.title,
                        r.entry.version,
                        r.entry.record.submission.output == "image",
                    ]
                    for r in board.rows
                ],
            }
        )

    def _method(self, entry: Entry) -> None:
        placed = self._standing[entry.method]
        here = entry.record.dataset
        keys = [reader_key(reader) for reader in entry.run.record.readers]
        same = [other for other in self._versions[entry.method] if other is not entry]
        self._page(
            "method.html",
            f"methods/{entry.record.dataset}/{page_name(entry)}.html",
            entry=entry,
            form=entry.record.submission,
            card=self._store.card(entry.record.dataset),
            standing=find_boards(self._boards, entry),
            parts=breakdown(entry, keys[0]),
            reader=entry.run.record.readers[0],
            others=same,
            elsewhere=[one for one in placed if one[0].card.slug != here],
        )

    def _samples(self, slug: str) -> None:
        card = self._store.card(slug)
        entries = self._of[slug]
        shared = samples_data(card, entries)
        pictures = self._out / "img" / slug
        shown = [sample.sample_id for sample in card.browsed]
        parts = [*(f"f{number}" for number in range(1, SHOWN_FRAMES + 1)), "gt"]
        _publish(
            self._store.dataset_folder(slug) / THUMBNAILS,
            [f"{i}-{part}" for i in shown for part in parts],
            pictures,
        )
        write_text(self._out / f"data/{slug}/samples.js", f"MB.receive('samples', {script_json(shared)});\n")
        for entry in entries:
            name = page_name(entry)
            data = script_json(entry_data(entry, card))
            write_text(self._out / f"data/{slug}/{name}.js", f"MB.receive({script_json(name)}, {data});\n")
            if entry.record.submission.output == "image":
                _publish(entry.folder / THUMBNAILS, shown, pictures / name)
        readers = {reader_key(r): r.title for entry in entries for r in entry.run.record.readers}
        current = self._ordered(slug, [entry for entry in entries if entry.current])
        versions = [f"{e.version}{'' if e.protocol == CURRENT.id else f', {e.protocol}'}" for e in current]
        methods = [
            [page_name(e), e.title, version, e.record.submission.output]
            for e, version in zip(current, versions, strict=True)
        ]
        data = script_json({"dataset": slug, "readers": readers, "methods": methods})
        if card.browsed:
            self._page("samples.html", f"samples/{slug}.html", card=card, data=data)

    def _strip(self, slug: str) -> list[tuple[str, str]]:
        """Pictures that show what a data set is about, with their titles: a sample on its best method."""
        board = next((b for b in self._boards if b.card.slug == slug and b.kind == "main"), None)
        sample = None if board is None else typical_sample(board)
        if board is None or sample is None:
            return []
        best = board.rows[0].entry
        return [
            (f"img/{slug}/{sample}-f1.webp", "First frame"),
            (f"img/{slug}/{page_name(best)}/{sample}.webp", best.title),
            (f"img/{slug}/{sample}-gt.webp", "Ground truth"),
        ]

    def _ordered(self, slug: str, entries: list[Entry]) -> list[Entry]:
        """Entries of the newest protocol first, by their place on the data set's first board."""
        first = next(board for board in self._boards if board.card.slug == slug)
        places = {row.entry.key: row.place.rank for row in first.rows}

        def order(entry: Entry) -> tuple[bool, int, str]:
            return entry.protocol != first.protocol, places.get(entry.key, len(places) + 1), entry.key

        return sorted(entries, key=order)


def _publish(source: Path, names: Iterable[str], target: Path) -> None:
    """Copy the pictures of these names that are regular files; no other file of a store is published."""
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = source / f"{name}.webp"
        if path.is_file() and not path.is_symlink():
            shutil.copyfile(path, target / path.name)


def _score(value: float | None, name: str) -> str:
    """A score as tables show it."""
    return "–" if value is None else f"{value:.{METRICS[name].decimals}f}"
