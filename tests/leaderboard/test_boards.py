from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mdlp_bench.data.samples import Samples
from mdlp_bench.files import slugify
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.published import PUBLISHED
from mdlp_bench.harness.statistics import ClusterBootstrap, MetricScores, rank_methods
from mdlp_bench.leaderboard.add import add, deprecate
from mdlp_bench.leaderboard.boards import boards, find_boards
from mdlp_bench.leaderboard.site import build_site
from mdlp_bench.leaderboard.store import Store
from mdlp_bench.metrics.base import METRICS


@pytest.fixture(scope="module")
def synthetic(import_script: Callable[[Path], Any]) -> Any:
    """The benchmark's maker of stores."""
    return import_script(Path(__file__).resolve().parents[2] / "benchmarks" / "leaderboard.py")


@pytest.mark.parametrize("rule", ["lexicographic", "borda"])
def test_places_are_those_of_rank_methods(synthetic: Any, tmp_path: Path, rule: str) -> None:
    store = synthetic.make_store(tmp_path / "lb", 7, 60)
    main, text_only = boards(store)
    assert (main.kind, text_only.kind) == ("main", "text-only")
    assert [info.name for info in text_only.metrics] == ["ned", "acc", "cer"]
    entries = sorted(store.entries(), key=lambda entry: entry.key)
    bootstrap = ClusterBootstrap(entries[0].table["plate_id"].to_pylist(), 2000)
    for board in (main, text_only):
        metrics = [
            MetricScores(
                info.name,
                np.stack([entry.table[info.name].to_numpy() for entry in entries], axis=1),
                info.higher_is_better,
                info.decimals,
            )
            for info in board.metrics
        ]
        expected = rank_methods(bootstrap, [entry.key for entry in entries], metrics, rule=rule)
        found = [row.place if rule == "lexicographic" else row.borda for row in board.rows]
        assert sorted(found, key=lambda p: p.name) == sorted(expected.overall, key=lambda p: p.name)
        for one in expected.metrics:
            for rank in one.entries:
                row = next(row for row in board.rows if row.entry.key == rank.name)
                score = row.scores[one.metric]
                assert score.place is not None
                assert (score.value, score.group, score.place.rank) == (
                    rank.score.value,
                    rank.group,
                    rank.rank,
                )


def test_the_front_holds_what_nothing_beats_in_quality_and_cost(synthetic: Any, tmp_path: Path) -> None:
    main = boards(synthetic.make_store(tmp_path / "lb", 9, 40))[0]
    for row in main.rows:
        own = (row.scores["ned"].value, row.cost("ms"))
        beaten = any(
            (other.scores["ned"].value, other.cost("ms")) != own
            and other.scores["ned"].value <= own[0]
            and other.cost("ms") <= own[1]
            for other in main.rows
        )
        assert row.pareto["ms"] is not beaten


def test_boards_by_data_set_reader_and_ablation(
    readable: Callable[..., Samples], submit: Callable[..., Path], plan: ScoringPlan, tmp_path: Path
) -> None:
    store, samples, other = Store(tmp_path / "lb"), readable(8), readable(6, name="other")
    add(store, submit(samples, method="Full"), samples, plan)
    add(store, submit(samples, "lanczos", method="Lesser", ablation_of="full"), samples, plan)
    add(store, submit(other, method="Full"), other, plan)
    second = plan.readers[0].__class__()
    second.descriptor = second.descriptor.model_copy(update={"name": "second", "title": "Second"})
    both = replace(plan, readers=(second, *plan.readers))
    third = add(store, submit(samples, "frame-mean", method="Third"), samples, both)
    found = {(b.card.name, b.reader.name, b.kind): [r.entry.title for r in b.rows] for b in boards(store)}
    assert set(found[samples.name, "tint", "main"]) == {"Full", "Third"}
    assert set(found[samples.name, "tint", "ablation"]) == {"Full", "Lesser"}
    assert found[samples.name, "second", "main"] == ["Third"]
    assert found[other.name, "tint", "main"] == ["Full"]
    assert len({board.slug for board in boards(store)}) == len(found)
    assert {board.reader.name for board, _ in find_boards(boards(store), third)} == {"tint", "second"}
    deprecate(store, "third", "1.0", "wrong weights")
    assert [r.entry.title for r in boards(store)[0].rows if r.entry.title == "Third"] == []


def test_a_label_without_a_letter_or_digit_is_on_no_board(
    make_samples: Callable[..., Samples],
    readable: Callable[..., Samples],
    submit: Callable[..., Path],
    plan: ScoringPlan,
    tmp_path: Path,
) -> None:
    rows = list(readable(8).rows())
    store, without = Store(tmp_path / "a"), Store(tmp_path / "b")
    for row in rows[:2]:
        row |= {"text": "京", "layout": "yellow"}
    whole, part = make_samples(rows=rows, name="whole"), make_samples(rows=rows[2:], name="part")
    add(store, submit(whole, method="Full"), whole, plan)
    add(without, submit(part, method="Full"), part, plan)
    assert boards(store)[0].chance == boards(without)[0].chance != {}
    build_site(store, tmp_path / "site")


def test_the_work_of_a_site_grows_with_the_entries_and_not_faster(
    synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def counted(name: str) -> str:
        nonlocal calls
        calls += 1
        return slugify(name)

    monkeypatch.setattr("mdlp_bench.leaderboard.submission.form.slugify", counted)
    found = []
    for n in (8, 16, 32):
        store = synthetic.make_store(tmp_path / str(n), n, 12)
        calls = 0
        build_site(store, tmp_path / f"site-{n}")
        found.append(calls)
    # Twice the entries, twice the calls: what is asked of pairs of entries would show here.
    assert found[2] - found[1] <= 2.1 * (found[1] - found[0]), found
    assert found[2] < 32 * 20


def test_published_numbers_are_marked_and_complete() -> None:
    table, ablation = PUBLISHED
    scores = dict(table.rows)
    assert scores["LP-Diff"] == (14.396, 0.393, 22.0, 0.159, 0.198, 0.305) and len(scores) == 6
    assert dict(ablation.rows)["without TEM"] == (12.76,)
    assert all(metric in METRICS for board in PUBLISHED for metric in board.metrics)
