from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlp_bench.errors import DataError
from mdlp_bench.metrics import text
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.plate import ALPHABET

readings = st.text(alphabet="京沪粤A1B2警", max_size=9)
plates = st.text(alphabet="京沪粤A1B2警", min_size=1, max_size=9)


def wagner_fischer(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


@given(st.lists(st.tuples(readings, plates), max_size=6))
def test_scores_agree_with_a_plain_edit_distance(pairs: list[tuple[str, str]]) -> None:
    preds, targets = [p for p, _ in pairs], [t for _, t in pairs]
    edits = np.array([wagner_fischer(p, t) for p, t in pairs], np.int64)
    longer = np.array([max(len(p), len(t)) for p, t in pairs], float)
    lengths = np.array([len(t) for t in targets], float)
    np.testing.assert_array_equal(text.edit_distances(preds, targets), edits)
    np.testing.assert_array_equal(text.ned(preds, targets), edits / longer)
    np.testing.assert_array_equal(text.ned(preds, targets, "target"), np.minimum(1, edits / lengths))
    np.testing.assert_array_equal(text.cer(preds, targets), edits / lengths)
    np.testing.assert_array_equal(text.accuracy(preds, targets), edits == 0)
    np.testing.assert_array_equal(text.within(preds, targets, 2), edits <= 2)


@given(readings, plates)
def test_alignments_have_the_fewest_edits(pred: str, target: str) -> None:
    counts = text.confusion([pred], [target]).counts
    assert counts.sum() - np.trace(counts) == wagner_fischer(pred, target)
    assert counts[:-1].sum() == len(target)
    assert counts[:, :-1].sum() == len(pred)
    assert sum(text.matched_positions(pred, target)) == np.trace(counts)
    by_position = text.position_accuracy([pred], [target])
    assert by_position.total.tolist() == [1] * len(target)
    assert by_position.right.sum() == np.trace(counts)


@given(
    st.lists(
        st.tuples(st.text(alphabet="京A1B2", max_size=9), st.text(alphabet="A1B2", min_size=1, max_size=7))
    )
)
def test_all_scores_at_once_agree_with_single_ones(pairs: list[tuple[str, str]]) -> None:
    preds, targets = [p for p, _ in pairs], ["京" + t for _, t in pairs]
    columns = text.text_scores(preds, targets)
    for suffix, read, true in (("", preds, targets), ("_alnum", text.alnum(preds), text.alnum(targets))):
        np.testing.assert_array_equal(columns[f"ned{suffix}"], text.ned(read, true))
        np.testing.assert_array_equal(columns[f"ned_gt{suffix}"], text.ned(read, true, "target"))
        np.testing.assert_array_equal(columns[f"acc{suffix}"], text.accuracy(read, true))
        np.testing.assert_array_equal(columns[f"cer{suffix}"], text.cer(read, true))
        np.testing.assert_array_equal(columns[f"within_1{suffix}"], text.within(read, true, 1))
        np.testing.assert_array_equal(columns[f"within_2{suffix}"], text.within(read, true, 2))
    assert columns.keys() <= METRICS.keys()


def test_worked_example() -> None:
    preds = ["京P20S75", "京P2OS75", "京P205", "", "苏京P20S75"]
    targets = ["京P20S75"] * 5
    assert text.edit_distances(preds, targets).tolist() == [0, 1, 2, 7, 1]
    np.testing.assert_allclose(text.ned(preds, targets), [0, 1 / 7, 2 / 7, 1, 1 / 8])
    np.testing.assert_allclose(text.ned(preds, targets, "target"), [0, 1 / 7, 2 / 7, 1, 1 / 7])
    assert text.within(preds, targets, 1).tolist() == [1, 1, 0, 0, 1]


def test_spelling_is_normalised_on_both_sides() -> None:
    assert text.accuracy(["京P·20s75", "京Ｐ２０Ｓ７５"], ["京P20S75", "京p 20S75"]).tolist() == [1, 1]


def test_alnum_leaves_the_province_out() -> None:
    assert text.alnum(["京P20S75", "粤BF12345", "沪A1234警", "?-o"]) == ["P20S75", "BF12345", "A1234", "O"]
    assert text.text_scores(["沪P20S75"], ["京P20S75"])["acc_alnum"].tolist() == [1]
    assert text.text_scores(["沪P20S75"], ["京P20S75"])["acc"].tolist() == [0]


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match="2 readings for 1 plates"):
        text.ned(["a", "b"], ["c"])
    with pytest.raises(DataError, match=r"' · ' has no character"):
        text.accuracy(["a"], [" · "])
    with pytest.raises(DataError, match="1 confidences for 2"):
        text.confidence_gap([0.5], [True, False])
    with pytest.raises(DataError, match="between 0 and 1"):
        text.expected_calibration_error([1.5], [True])
    with pytest.raises(DataError, match="between 0 and 1"):
        text.expected_calibration_error([float("nan")], [True])


def test_matched_positions_survive_a_dropped_character() -> None:
    assert text.matched_positions("P20S75", "京P20S75") == (True,) * 6
    assert text.matched_positions("京P2OS75", "京P20S75") == (True, True, True, False, True, True, True)


def test_position_accuracy_counts_plates_of_both_lengths() -> None:
    tally = text.position_accuracy(["沪P20S75", "粤BF12345"], ["京P20S75", "粤BF12346"])
    assert tally.labels == tuple("12345678")
    assert tally.right.tolist() == [1, 2, 2, 2, 2, 2, 2, 0]
    assert tally.total.tolist() == [2, 2, 2, 2, 2, 2, 2, 1]
    assert tally.accuracy[0] == 0.5


def test_confusion_names_mistakes_and_kinds() -> None:
    matrix = text.confusion(
        ["沪P20S7", "沪A12345", "京Q20S75", "京P2OS75"], ["京P20S75", "京A12345", "京P20S75", "京P20S75"]
    )
    assert matrix.labels == (*ALPHABET, "I", "O", "other", "none")
    assert matrix.mistakes(2) == [("京", "沪", 2), ("0", "O", 1)]
    assert ("5", "none", 1) in matrix.mistakes(10)
    kinds = matrix.by_kind()
    assert dict(zip(kinds.labels, kinds.right.tolist(), strict=True)) == {
        "province": 2,
        "letter": 6,
        "digit": 15,
        "special": 0,
    }
    # Plates of Brazil have both letters.
    latin = text.confusion(["BRO2E19"], ["BRI2E19"])
    assert latin.mistakes(5) == [("I", "O", 1)]
    assert latin.by_kind().total.tolist() == [0, 4, 3, 0]
    assert dict(zip(kinds.labels, kinds.total.tolist(), strict=True)) == {
        "province": 4,
        "letter": 7,
        "digit": 17,
        "special": 0,
    }
    assert np.isnan(kinds.accuracy[3])


def test_confusion_picture(tmp_path: Path) -> None:
    from confusion_figure import draw_confusion
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    draw_confusion(axes, text.confusion(["A12B", "A1"], ["A128", "A12"]))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "8", "A", "B", "none"]
    figure.savefig(tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size > 1000


def test_hallucination_needs_confidence_validity_and_error() -> None:
    preds = ["京P20S75", "京P20S76", "京P20S76", "京P20S7", "京P2OS75"]
    flags = text.hallucinated(preds, ["京P20S75"] * 5, [0.99, 0.99, 0.5, 0.99, 0.99], threshold=0.9)
    assert flags.tolist() == [0, 1, 0, 0, 0]


def test_a_plate_of_another_grammar_is_hallucinated_too_unless_the_rules_say_otherwise() -> None:
    preds = ["ABC1D23", "京P20S76", "ABC1D23", "A1"]  # the first is one of Mercosur
    targets, sure = ["京P20S75", "京P20S75", "unlisted 1", "京P20S75"], [1.0] * 4
    assert text.hallucinated(preds, targets, sure, 0.9).tolist() == [1, 1, 1, 0]
    assert text.hallucinated(preds, targets, sure, 0.9, same_grammar=True).tolist() == [0, 1, 1, 0]


def test_confident_from_keeps_the_promised_error_rate() -> None:
    rng = np.random.default_rng(0)
    confidences = np.round(rng.random(2000), 2)
    correct = rng.random(2000) < confidences
    threshold = text.confident_from(confidences, correct, error_rate=0.05)
    assert threshold is not None
    believed = confidences >= threshold
    assert (~correct[believed]).mean() <= 0.05
    lower = np.unique(confidences[confidences < threshold])
    assert all((~correct[confidences >= value]).mean() > 0.05 for value in lower)
    assert text.confident_from([0.9, 0.8], [False, True], error_rate=0.1) is None
    assert text.confident_from([], []) is None
    assert text.confident_from([0.3, 0.2], [True, True]) == 0.2


def test_invented_characters_are_wrong_and_seen_in_no_frame() -> None:
    frames = [["京P20S7", "京B20S75", ""]]
    target = ["京P20S75"]
    assert text.invented(["京P20S75"], target, frames).tolist() == [0]
    assert text.invented(["京B20S75"], target, frames).tolist() == [0]  # wrong, but a frame reads so
    assert text.invented(["京D20S75"], target, frames).tolist() == pytest.approx([1 / 7])
    assert text.invented(["京P20S75B"], target, frames).tolist() == pytest.approx([1 / 8])  # B, but elsewhere
    assert text.invented([""], target, frames).tolist() == [0]
    assert text.invented(["沪X"], ["京A"], [[]]).tolist() == [1]
    with pytest.raises(DataError, match="2 samples for 1"):
        text.invented(["京"], ["京"], [[], []])


def test_calibration_error_agrees_with_torchmetrics() -> None:
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    rng = np.random.default_rng(0)
    confidences = rng.random(500)
    correct = rng.random(500) < confidences**2
    # torchmetrics takes probability and outcome; with outcomes as targets it is the same sum.
    expected = binary_calibration_error(torch.tensor(confidences), torch.tensor(correct).int(), n_bins=15)
    assert text.expected_calibration_error(confidences, correct) == pytest.approx(float(expected), abs=1e-6)
    assert text.expected_calibration_error([1.0, 0.0], [True, False]) == 0.0
    assert text.expected_calibration_error([], []) is None


def test_confidence_gap() -> None:
    assert text.confidence_gap([0.9, 0.7, 0.4], [True, True, False]) == pytest.approx(0.4)
    assert text.confidence_gap([0.9], [True]) is None
    assert text.confidence_gap([], []) is None
