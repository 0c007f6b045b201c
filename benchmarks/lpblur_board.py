"""A board of the pairs of LPBlur that LPDGAN's authors have restored, with LPDGAN and any methods of ours.

Run: python benchmarks/lpblur_board.py LPBLUR -o out --methods srcnn,lp-diff

LPBLUR holds `test/{blur,sharp}`, `test/plate_info.txt` (file name, text) and `lpdgan/`, the restored
pictures. Writes the store to `out/leaderboard` and prints the board. Of the data set the store has ids,
hashes and texts, and no pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mdlp_bench.data import open_samples
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.tables import write_table
from mdlp_bench.images import decode, encode
from mdlp_bench.leaderboard.add import add
from mdlp_bench.leaderboard.boards import boards
from mdlp_bench.leaderboard.bundled_entries import add_references
from mdlp_bench.leaderboard.dataset_cards import make_board
from mdlp_bench.leaderboard.export import board_table
from mdlp_bench.leaderboard.store import Store
from mdlp_bench.leaderboard.submission.form import SUBMISSION_FILE, Submission
from mdlp_bench.leaderboard.submission.pack import pack
from mdlp_bench.methods.registry import check_method
from mdlp_bench.metrics.protocol import to_working_size

LPDGAN = Submission(
    schema_version=1,
    method="LPDGAN",
    version="1.0",
    authors=["The authors of LPDGAN"],
    contact="the repository of LPDGAN",
    license="not stated",
    training_data=["LPBlur train"],
    uses_synthetic=False,
    extra_data=False,
    frames_used=1,
    n_parameters=128_890_368,
    deterministic=True,
    hardware="not stated",
    device="other",
    test_set_not_trained_on=True,
)


def main() -> None:
    """Make the board and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lpblur", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("lpblur-board"))
    parser.add_argument("--methods", default="bicubic", help="names, separated by commas")
    chosen = parser.parse_args()
    out: Path = chosen.out
    methods = chosen.methods.split(",")
    for name in methods:
        check_method(name)

    restored = {path.stem: path for path in (chosen.lpblur / "lpdgan").glob("*.png")}
    whole = open_samples(chosen.lpblur, split="test")
    ids = [sample_id for sample_id in whole.sample_ids if sample_id.partition("-")[2] in restored]
    samples = whole.select(sample_ids=ids)
    store, plan = Store(out / "leaderboard"), ScoringPlan.from_names(None, "none", aligned=False)
    about = "Real blurred plates, one frame each; the pairs that LPDGAN's authors have restored."
    make_board(store, "LPBlur", samples, plan.readers, about=about, source="the repository of LPDGAN")

    folder = out / "lpdgan"
    folder.mkdir(parents=True)
    for sample_id in ids:
        name = sample_id.partition("-")[2]
        image = to_working_size(decode(restored[name].read_bytes(), name))
        (folder / f"{sample_id}.png").write_bytes(encode(image))
    (folder / SUBMISSION_FILE).write_text(LPDGAN.to_yaml(), encoding="utf-8")
    pack(folder, folder / SUBMISSION_FILE, out / "lpdgan.zip")
    add(store, out / "lpdgan.zip", samples, plan)
    for name in methods:
        predict(name, samples, out / "bench/predictions" / name)
    add_references(store, out / "bench", samples, plan)

    board = boards(store)[0]
    print("degraded input:", {name: round(value, 3) for name, value in board.floor.items()})
    write_table(board_table(board), out / "board.md")
    print((out / "board.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
