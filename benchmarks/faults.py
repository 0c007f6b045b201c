"""Campaigns of faults, with the number of those that nothing noticed.

Run: python benchmarks/faults.py tamper

`tamper` edits a landed store in one way at a time and runs `mdlp-bench leaderboard check` on it; then once
more with a chain that was rebuilt over the edit, as somebody who may write to the store could. Such a chain
does not continue an earlier copy's, which `check --since` finds. The exit code is 1 if an edit passed the
check, or a rebuilt chain the check against the copy.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from mdlp_bench.leaderboard.chain import CHAIN, append
from mdlp_bench.leaderboard.store import Store
from mdlp_bench.leaderboard.store_integrity import check_store

LANDED: Final = Path(__file__).resolve().parents[1] / "leaderboard"
METHODS: Final = ("srcnn", "bicubic", "lp-diff", "reading-fusion-crnn")
"""Entries of the tampered store: a network, an interpolation, a stochastic method and one that gives text."""

Edit = Callable[[Path], None]
Values = Callable[[list[Any]], list[Any]]


def landed_store(root: Path) -> None:
    """Copy some entries of the bundled store, with a chain of their own."""
    shutil.copytree(LANDED / "datasets", root / "datasets")
    for method in METHODS:
        shutil.copytree(LANDED / "entries" / method, root / "entries" / method)
    rebuild_chain(root)


def rebuild_chain(root: Path) -> None:
    """Chain what lies in a store, whatever that is."""
    (root / CHAIN).unlink(missing_ok=True)
    for folder, kind in Store(root).folders():
        append(root, kind, folder)


def entry(root: Path, method: str = "srcnn") -> Path:
    """The folder of a method's entry."""
    return next((root / "entries" / method).glob("*/*/entry.json")).parent


def card(root: Path) -> Path:
    """The data set's card."""
    return next((root / "datasets").glob("*/dataset.json"))


def in_json(name: str, change: Callable[[Any], object]) -> Edit:
    """An edit of a JSON file of the entry, or of the card."""

    def edit(root: Path) -> None:
        path = card(root) if name == "dataset.json" else entry(root) / name
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")

    return edit


def put(*keys: Any) -> Callable[[Any], None]:
    """A change of a nested value: the keys, then the value."""

    def change(content: Any) -> None:
        *path, last, value = keys
        for key in path:
            content = content[key]
        content[last] = value

    return change


def shifted(by: float, *keys: str) -> Callable[[Any], None]:
    """A change that adds to a nested number."""

    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] += by

    return change


def in_table(name: str, values: Values, method: str = "srcnn") -> Edit:
    """An edit of a column of an entry's per-sample table."""

    def edit(root: Path) -> None:
        path = entry(root, method) / "per_sample.parquet"
        table = pq.read_table(path)
        column = table.schema.get_field_index(name)
        found = pa.array(values(table[name].to_pylist()))
        pq.write_table(table.set_column(column, name, found), path)

    return edit


def all_edits(*edits: Edit) -> Edit:
    """Several edits as one."""

    def edit(root: Path) -> None:
        for one in edits:
            one(root)

    return edit


def _texts_read(root: Path) -> None:
    """Every reading becomes the text, and NED, ACC and CER follow in the table and in the summary."""
    path = entry(root) / "per_sample.parquet"
    table = pq.read_table(path)
    n = len(table)
    for name, values in (
        ("read_text", table["text"]),
        ("ned", pa.array([0.0] * n)),
        ("cer", pa.array([0.0] * n)),
        ("acc", pa.array([1.0] * n)),
    ):
        table = table.set_column(table.schema.get_field_index(name), name, values)
    pq.write_table(table, path)
    better = {"ned": 0.0, "cer": 0.0, "acc": 1.0}

    def follow(summary: Any) -> None:
        for name, value in better.items():
            summary[name] |= {"mean": value, "low": value, "high": value}

    in_json("summary.json", follow)(root)


def _linked(root: Path) -> None:
    path = sorted((entry(root) / "thumbnails").iterdir())[0]
    path.unlink()
    path.symlink_to("/etc/hostname")


def _page(root: Path) -> None:
    sorted((entry(root) / "thumbnails").iterdir())[0].write_text(
        "<script>alert(1)</script>", encoding="utf-8"
    )


def _extra_page(root: Path) -> None:
    (entry(root) / "thumbnails" / "index.html").write_text("<h1>hello</h1>", encoding="utf-8")


def _another_thumbnail(root: Path) -> None:
    first, second = sorted((entry(root) / "thumbnails").iterdir())[:2]
    first.write_bytes(second.read_bytes())


def _ground_truth_thumbnail(root: Path) -> None:
    path = sorted((entry(root) / "thumbnails").iterdir())[0]
    shutil.copyfile(card(root).parent / "thumbnails" / f"{path.stem}-gt.webp", path)


def _renamed_method(root: Path) -> None:
    (root / "entries" / "srcnn").rename(root / "entries" / "best")
    in_json_of(root / "entries" / "best", put("submission", "method", "Best"))


def in_json_of(method_folder: Path, change: Callable[[Any], object]) -> None:
    """Edit `entry.json` of a method's folder."""
    path = next(method_folder.glob("*/*/entry.json"))
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def in_chain(root: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Edit the lines of the chain."""
    path = root / CHAIN
    lines = change(path.read_text(encoding="utf-8").splitlines())
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _copied_entry(root: Path) -> None:
    shutil.copytree(root / "entries" / "srcnn", root / "entries" / "mine")
    in_json_of(root / "entries" / "mine", put("submission", "method", "mine"))


EDITS: Final[dict[str, Edit]] = {
    "all readings are the texts, scores follow": _texts_read,
    "one reading is the text": in_table("read_text", lambda v: ["京A12345", *v[1:]]),
    "one text changed": in_table("text", lambda v: ["京A12345", *v[1:]]),
    "one plate_id changed": in_table("plate_id", lambda v: [v[1], *v[1:]]),
    "all plate_ids equal": in_table("plate_id", lambda v: ["one"] * len(v)),
    "one layout changed": in_table("layout", lambda v: ["blue" if v[0] != "blue" else "yellow", *v[1:]]),
    "one sample_id changed": in_table("sample_id", lambda v: ["other", *v[1:]]),
    "samples in another order": in_table("sample_id", lambda v: v[::-1]),
    "one error made up": in_table("error", lambda v: ["failed", *v[1:]]),
    "one confidence raised": in_table("read_confidence", lambda v: [1.0, *v[1:]]),
    "all confidences zero": in_table("read_confidence", lambda v: [0.0] * len(v)),
    "one PSNR raised": in_table("psnr", lambda v: [v[0] + 20, *v[1:]]),
    "all PSNR raised": in_table("psnr", lambda v: [x + 1 for x in v]),
    "all PSNR raised, the summary follows": all_edits(
        in_table("psnr", lambda v: [x + 2 for x in v]),
        *(in_json("summary.json", shifted(2, "psnr", part)) for part in ("mean", "low", "high")),
    ),
    "one SSIM raised": in_table("ssim", lambda v: [0.99, *v[1:]]),
    "one LPIPS lowered": in_table("lpips_squeeze", lambda v: [0.0, *v[1:]]),
    "one NED lowered": in_table("ned", lambda v: [0.0, *v[1:]]),
    "one ACC raised": in_table("acc", lambda v: [1.0, *v[1:]]),
    "one CER lowered": in_table("cer", lambda v: [0.0, *v[1:]]),
    "one NED over the text's length lowered": in_table("ned_gt", lambda v: [0.0, *v[1:]]),
    "one NED of letters and digits lowered": in_table("ned_alnum", lambda v: [0.0, *v[1:]]),
    "one share of invented characters lowered": in_table("invented", lambda v: [0.9, *v[1:]]),
    "all hallucinations removed": in_table("hallucination", lambda v: [0.0] * len(v), "lp-diff"),
    "one output hash changed": in_table("output_sha256", lambda v: ["0" * 64, *v[1:]]),
    "mean PSNR raised": in_json("summary.json", shifted(0.5, "psnr", "mean")),
    "mean PSNR raised by little": in_json("summary.json", shifted(0.0009, "psnr", "mean")),
    "mean NED lowered": in_json("summary.json", shifted(-0.1, "ned", "mean")),
    "lower end of NED moved": in_json("summary.json", shifted(-0.1, "ned", "low")),
    "upper end of PSNR moved": in_json("summary.json", shifted(1.0, "psnr", "high")),
    "interval of NED removed": in_json("summary.json", put("ned", "low", None)),
    "FRD lowered": in_json("summary.json", put("frd", "mean", 0.0)),
    "KRD lowered": in_json("summary.json", put("krd", "mean", 0.0)),
    "FRD below zero": in_json("summary.json", put("frd", "mean", -1.0)),
    "calibration error lowered": in_json("summary.json", put("ece", "mean", 0.0)),
    "number of plates raised": in_json("summary.json", put("ned", "n_plates", 2000)),
    "number of samples raised": in_json("summary.json", put("psnr", "n", 2000)),
    "failures hidden": in_json("summary.json", put("psnr", "n_failed", 7)),
    "direction turned": in_json("summary.json", put("ned", "higher_is_better", True)),
    "ceiling of NED changed": in_json("summary.json", put("ned", "ceiling", 0.2)),
    "a metric removed": in_json("summary.json", lambda s: s.pop("ssim")),
    "a metric added": in_json("summary.json", lambda s: s.update(lpips=s["lpips_squeeze"])),
    "time per image lowered": in_json("run.json", put("milliseconds_per_image", 0.001)),
    "another reader in the run": in_json("run.json", put("readers", 0, "weights_sha256", "1" * 64)),
    "confidence threshold of the reader changed": in_json(
        "run.json", put("readers", 0, "believed_from", 0.999999)
    ),
    "another protocol": in_json("run.json", put("protocol", "mdlp-v2")),
    "protocol's hash changed": in_json("run.json", put("protocol_sha256", "0" * 64)),
    "another data set's fingerprint": in_json("run.json", put("dataset", "fingerprint", "0" * 64)),
    "seed changed": in_json("run.json", put("seed", 1)),
    "LPIPS weights' hash changed": in_json("run.json", put("weights", "lpips_squeeze linear", "0" * 64)),
    "flags deleted": in_json("entry.json", put("flags", [])),
    "a flag added": in_json(
        "entry.json", lambda e: e["flags"].append({"code": "duplicate", "text": "those of bicubic@0.1.0"})
    ),
    "a flag's text changed": in_json("entry.json", put("flags", 0, "text", "nothing to see")),
    "declared: no synthetic data": in_json("entry.json", put("submission", "uses_synthetic", False)),
    "parameters lowered": in_json("entry.json", put("submission", "n_parameters", 1)),
    "authors changed": in_json("entry.json", put("submission", "authors", ["Somebody Else"])),
    "contact changed": in_json("entry.json", put("submission", "contact", "else@example.org")),
    "run time in the form lowered": in_json("entry.json", put("submission", "runtime_per_image_s", 1e-6)),
    "claim changed": in_json("entry.json", put("submission", "claimed", "psnr", 30.0)),
    "a claim made up that agrees": in_json(
        "entry.json",
        put(
            "claimed_vs_recomputed",
            [{"metric": "psnr", "claimed": 30.0, "recomputed": 14.0, "agrees": True}],
        ),
    ),
    "hash of the archive changed": in_json("entry.json", put("archive_sha256", "0" * 64)),
    "date moved before all others": in_json("entry.json", put("added", "2020-01-01T00:00:00.000+00:00")),
    "a thumbnail is a link": _linked,
    "a thumbnail is a page": _page,
    "a page among the thumbnails": _extra_page,
    "a thumbnail is another sample's": _another_thumbnail,
    "a thumbnail is the ground truth's": _ground_truth_thumbnail,
    "thumbnails deleted": lambda root: shutil.rmtree(entry(root) / "thumbnails"),
    "a line of the chain removed": lambda root: in_chain(root, lambda lines: lines[:-1]),
    "two lines of the chain swapped": lambda root: in_chain(
        root, lambda lines: [*lines[:-2], lines[-1], lines[-2]]
    ),
    "a hash of the chain changed": lambda root: in_chain(
        root, lambda lines: [*lines[:-1], lines[-1].replace('"files":{', '"files":{"x":"' + "0" * 64 + '",')]
    ),
    "the chain removed": lambda root: (root / CHAIN).unlink(),
    "an entry removed": lambda root: shutil.rmtree(root / "entries" / "bicubic"),
    "an entry renamed": _renamed_method,
    "an entry copied under another name": _copied_entry,
    "ceilings of the card changed": in_json("dataset.json", lambda c: c["ceilings"].clear()),
    "floors of the card changed": in_json(
        "dataset.json", lambda c: [floor.update(ned=0.99) for floor in c["floors"].values()]
    ),
    "a text of the card changed": in_json("dataset.json", put("browsed", 0, "text", "京A12345")),
    "what is read in a frame of the card changed": in_json(
        "dataset.json", lambda c: c["browsed"][0]["frame_texts"].clear()
    ),
    "a sample of the card no longer shown": in_json("dataset.json", lambda c: c["browsed"].pop()),
    "number of plates of the card changed": in_json("dataset.json", put("n_plates", 7)),
    "fingerprint of the card changed": in_json("dataset.json", put("fingerprint", "0" * 64)),
}


def tamper() -> int:
    """Run every edit on a copy of the landed store; the number of edits that pass unnoticed."""
    passed: list[str] = []
    rebuilt: list[str] = []
    hidden: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mdlp-bench-") as work:
        sound = Path(work) / "sound"
        landed_store(sound)
        if len(found := check_store(Store(sound))):
            sys.exit("the store is not sound before anything is edited: " + next(iter(found.lines())))
        for number, (name, edit) in enumerate(EDITS.items()):
            root = Path(work) / str(number)
            shutil.copytree(sound, root)
            edit(root)
            if not len(check_store(Store(root))):
                passed.append(name)
            rebuild_chain(root)
            if (root / CHAIN).read_bytes() != (sound / CHAIN).read_bytes():
                if not len(check_store(Store(root))):
                    rebuilt.append(name)
                if not len(check_store(Store(root), since=sound)):
                    hidden.append(name)
            shutil.rmtree(root)
    print(f"{len(EDITS)} manipulations of a landed store, {len(passed)} pass unnoticed")
    for name in passed:
        print(f"  {name}")
    print(f"with a chain that was rebuilt over them {len(rebuilt)} pass the check of the store alone")
    for name in rebuilt:
        print(f"  {name}")
    print(f"and {len(hidden)} the check against an earlier copy")
    for name in hidden:
        print(f"  {name}")
    return len(passed) + len(hidden)


def main() -> None:
    """Run the campaign that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    campaigns = parser.add_subparsers(dest="campaign", required=True)
    campaigns.add_parser("tamper", help="edit a landed store and check it").set_defaults(run=tamper)
    chosen = parser.parse_args()
    sys.exit(1 if chosen.run() else 0)


if __name__ == "__main__":
    main()
