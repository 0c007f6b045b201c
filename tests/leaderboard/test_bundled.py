"""The bundled entries as a whole: what is in the store, and that its scores follow from what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdlp_bench.errors import MdlpBenchError
from mdlp_bench.files import slugify
from mdlp_bench.harness.bench import ORACLES
from mdlp_bench.harness.demo import RECIPE, SEED
from mdlp_bench.leaderboard.boards import boards, find_boards
from mdlp_bench.leaderboard.bundled_entries import reference_name
from mdlp_bench.leaderboard.site.data import page_name
from mdlp_bench.leaderboard.store import Store
from mdlp_bench.leaderboard.store_integrity import check_store
from mdlp_bench.methods import load_method, registered_methods
from mdlp_bench.metrics.protocol import CURRENT, PROTOCOLS
from mdlp_bench.plate import normalise

ROOT = Path(__file__).resolve().parents[2]
DEMO = f"rendered-{RECIPE}/test"


@pytest.fixture(scope="module")
def store() -> Store:
    found = Store(ROOT / "leaderboard")
    if not found.entries():
        pytest.skip("no entries in leaderboard/; docs/leaderboard.md says how the bundled ones are made")
    return found


def test_the_store_is_sound_and_small(store: Store) -> None:
    assert list(check_store(store).lines()) == []
    size = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    assert size < 15 * 2**20


def test_every_bundled_method_stands_on_the_demos_test_set(store: Store) -> None:
    entries = [entry for entry in store.entries() if entry.run.record.dataset.name == DEMO]
    (slug,) = {entry.record.dataset for entry in entries}
    card = store.card(slug)
    assert (card.name, card.domain) == (DEMO, "synthetic")
    assert all(sample.sample_id.startswith(f"rendered-{SEED}-") for sample in card.browsed)
    found = {entry.method for entry in entries if entry.current}
    for name in registered_methods():
        if name in ORACLES or name.endswith("-latin"):  # which read no plate of the demo
            continue
        try:
            descriptor = load_method(name).descriptor
        except MdlpBenchError:  # what it needs is not installed here
            continue
        if descriptor.provenance == "official":  # weights that a user installs; not bundled
            continue
        assert slugify(reference_name(descriptor)) in found, name
    shown = {row.entry.method for board in boards(store) if board.card == card for row in board.rows}
    assert shown == found


def test_a_title_becomes_a_name_that_forms_allow() -> None:
    method = load_method("lp-diff-long-blend").descriptor
    assert reference_name(method) == "LP-Diff long (3.1 M, rendered plates), 50 percent frames"


def test_each_protocol_has_boards_and_pages_of_its_own(store: Store) -> None:
    found = boards(store)
    assert found[0].protocol == CURRENT.id and {board.protocol for board in found} == set(PROTOCOLS)
    assert len({board.slug for board in found}) == len(found)
    for board in found:
        assert {row.entry.protocol for row in board.rows} == {board.protocol}
        assert board.reader.name == PROTOCOLS[board.protocol].text.reader
    thrice = [entry for entry in store.entries() if entry.method == "bicubic"]
    assert {entry.protocol for entry in thrice} == set(PROTOCOLS) and len(thrice) == 3
    assert len({page_name(entry) for entry in thrice}) == len({entry.folder.name for entry in thrice}) == 3
    for entry in thrice:
        assert entry.current and "duplicate" not in {flag.code for flag in entry.flags}
        assert {board.protocol for board, _ in find_boards(found, entry)} == {entry.protocol}


def distance(first: str, second: str) -> int:
    """Edit distance, by its textbook recurrence."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        previous, row = row, [i]
        for j, b in enumerate(second, start=1):
            row.append(min(row[-1] + 1, previous[j] + 1, previous[j - 1] + (a != b)))
    return row[-1]


def test_text_scores_follow_from_what_was_read(store: Store) -> None:
    for entry in store.entries():
        pairs = [
            (normalise(row["read_text"]), normalise(row["text"]))
            for row in entry.table.select(["read_text", "text"]).to_pylist()
        ]
        ned = sum(distance(read, text) / max(len(read), len(text)) for read, text in pairs) / len(pairs)
        acc = sum(read == text for read, text in pairs) / len(pairs)
        assert entry.run.summary["ned"].mean == pytest.approx(ned, abs=0.001), entry.key
        assert entry.run.summary["acc"].mean == pytest.approx(acc, abs=0.001), entry.key


def test_submissions_are_scored_with_the_lpips_net_of_the_bundled_entries(store: Store) -> None:
    entries = [entry for entry in store.entries() if entry.run.record.dataset.name == DEMO]
    nets = {name for entry in entries for name in entry.run.summary if name.startswith("lpips")}
    assert nets == {"lpips_squeeze"}
    for name in ("submission", "publish"):
        workflow = (ROOT / f".github/workflows/leaderboard-{name}.yml").read_text(encoding="utf-8")
        added = [line for line in workflow.splitlines() if "leaderboard add " in line]
        assert added and all("--lpips squeeze" in line for line in added)
