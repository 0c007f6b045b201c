from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mdlp_bench.cli.main import app
from mdlp_bench.curate.audit import CHECKS, Audit, AuditConfig, audit, quarantine, write_html
from mdlp_bench.data import open_samples, write_parquet
from mdlp_bench.data.manifest import read_quarantine
from mdlp_bench.data.samples import Samples
from mdlp_bench.engine import Engine
from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8, encode

MakeSamples = Callable[..., Samples]


def picture(seed: int, height: int = 56) -> ImageU8:
    """Random blocks, different for each seed."""
    blocks = np.random.default_rng(seed).integers(20, 236, (8, 20, 3), dtype=np.uint8)
    large = cv2.resize(blocks, (140, 56), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(large, (height * 5 // 2, height), interpolation=cv2.INTER_AREA), np.uint8)


def struct(image: ImageU8, **how: Any) -> dict[str, Any]:
    return {"bytes": encode(image, **how), "path": None}


def blend() -> ImageU8:
    """Something like picture 0."""
    return np.asarray(cv2.addWeighted(picture(0), 0.6, picture(99), 0.4, 0), np.uint8)


BLENDED = {
    "gt": struct(blend()),
    "frames": [struct(cv2.resize(blend(), (30, 12 + n), interpolation=cv2.INTER_AREA)) for n in range(3)],
}


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A sound sample of its own plate."""
    # Far apart, so that no two texts are one edit apart.
    text = f"{'京沪苏浙皖'[number % 5]}{'ABCDE'[number // 5 % 5]}{(number * 1103 + 11) % 90000 + 10000}"
    made: dict[str, Any] = {
        "sample_id": f"s{number:04d}", "plate_id": text, "track_id": f"t{number}", "domain": "real",
        "split": ("train", "train", "val")[number % 3], "source": "table", "text": text,
        "text_origin": "label", "layout": "blue", "frame_indices": [1, 2, 3],
        "frames": [struct(picture(number, 16 + n)) for n in range(3)], "gt": struct(picture(number)),
    }  # fmt: skip
    return made | changes


def codes(found: Audit) -> dict[str, int]:
    return dict(found.counts)


def test_a_sound_data_set_has_no_findings(make_samples: MakeSamples) -> None:
    found = audit(make_samples(rows=[row(n) for n in range(30)]))
    assert found.findings == () and found.leaks == 0
    assert (found.samples, found.plates, found.splits) == (30, 30, {"train": 20, "val": 10})
    assert sum(found.balance["province"].values()) == pytest.approx(1)


def one_edit(text: str) -> str:
    return text[:-1] + str((int(text[-1]) + 1) % 10)


BASE = row(0)
FAULTS: dict[str, dict[str, Any]] = {
    "plate-leak": row(2, text=BASE["text"], plate_id=BASE["text"]),
    "track-leak": row(2, track_id=BASE["track_id"]),
    "duplicate-leak": row(2, gt=BASE["gt"]),
    "near-duplicate-leak": row(2, gt=struct(picture(0), kind="jpg", quality=60)),
    "duplicate": row(1, gt=BASE["gt"]),
    "near-duplicate": row(1, gt=struct(picture(0)[::-1, ::-1].copy())),
    "near-text-leak": row(2, text=one_edit(BASE["text"]), plate_id="x", **BLENDED),
    "near-text": row(1, text=one_edit(BASE["text"]), plate_id="x", **BLENDED),
    "broken": row(2, gt={"bytes": BASE["gt"]["bytes"][:80], "path": "gt.png"}),
    "missing-gt": row(1, gt=None),
    "wrong-count": row(2, frames=row(2)["frames"][:2], frame_indices=[1, 2]),
    "label-grammar": row(2, text="京A1234I", plate_id="京A1234I"),
    "gt-worse": row(2, gt=struct(picture(2, 15))),
    "misordered": row(2, gt=struct(cv2.GaussianBlur(picture(2), (0, 0), 9))),
    "extreme-size": row(2, frames=[struct(picture(2, 6)), *row(2)["frames"][1:]]),
    "repeated-frame": row(2, frames=[row(2)["frames"][0], *row(2)["frames"][:2]]),
    "repeated-plate": row(1, text=BASE["text"], plate_id=BASE["text"]),
    "no-gt": row(2, gt=None, split="test"),
}


@pytest.mark.parametrize("code", FAULTS)
def test_each_check_finds_its_fault_and_names_the_sample(make_samples: MakeSamples, code: str) -> None:
    bad = FAULTS[code]
    rows = [row(0), bad, *(row(n) for n in range(3, 9))]
    found = audit(make_samples(rows=rows))
    findings = [finding for finding in found.findings if finding.code == code]
    assert len(findings) == 1
    finding = findings[0]
    assert finding.severity == CHECKS[code].severity
    assert "\n" not in finding.message
    if code != "no-gt":
        assert bad["sample_id"] in finding.sample_ids and bad["sample_id"] in finding.message
    together = {"gt-worse", "misordered"}
    assert set(codes(found)) <= (together if code in together else {code})
    assert found.leaks == (1 if CHECKS[code].severity == "leak" else 0)


def test_a_ground_truth_that_is_one_of_its_frames(make_samples: MakeSamples) -> None:
    found = audit(make_samples(rows=[row(0), row(2, gt=row(2)["frames"][1])]))
    messages = [finding.message for finding in found.findings if finding.code == "gt-worse"]
    assert "sample s0002: the ground truth is frame 1, byte for byte" in messages


def test_indices_that_do_not_ascend(make_samples: MakeSamples) -> None:
    found = audit(make_samples(rows=[row(0), row(1, frame_indices=[1, 3, 2])]))
    assert codes(found) == {"misordered": 1}


def test_triplets_of_one_track_may_share_images(make_samples: MakeSamples) -> None:
    rows = [row(0), row(0, sample_id="second", frames=row(1)["frames"])]
    assert codes(audit(make_samples(rows=rows))) == {}


def test_labels_are_compared_with_the_reader(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(rows=[row(n) for n in range(4)])
    texts = {picture(n).tobytes(): row(n)["text"] for n in range(4)}
    wrong = row(1)["text"]
    path = tmp_path / "oracle.py"
    path.write_text(
        f"TEXTS = {texts!r}\n"
        "def read(crops):\n"
        f"    return [t if (t := TEXTS.get(c.tobytes(), '')) != {wrong!r} else '皖A00000' for c in crops]\n"
    )
    found = audit(samples, reader=f"{path}:read")
    assert codes(found) == {"label-disagrees": 1}
    assert found.findings[0].sample_ids == ("s0001",)
    assert found.reader is not None and found.reader.startswith("oracle:read")


def test_one_province_with_most_plates(make_samples: MakeSamples) -> None:
    rows = [row(n, text=f"皖A{10000 + 1237 * n}", plate_id=f"p{n}", split="train") for n in range(20)]
    rows += [row(n, split="train") for n in range(20, 24)]
    found = audit(make_samples(rows=rows), AuditConfig(min_class_plates=20))
    assert codes(found) == {"imbalance": 1}
    assert "皖 has 83% of 24 plates" in found.findings[0].message
    # Plates of Brazil begin with a letter, which is no province.
    latin = [
        row(n, text=f"BRA2E{10 + n}", layout="mercosur", plate_id=f"p{n}", split="train") for n in range(20)
    ]
    found = audit(make_samples(rows=latin, name="latin"), AuditConfig(min_class_plates=20))
    assert found.balance["province"] == {"none": 1.0} and "imbalance" not in codes(found)


def test_workers_change_nothing(
    make_samples: MakeSamples, monkeypatch: pytest.MonkeyPatch, parallel: Engine
) -> None:
    samples = make_samples(rows=[row(0), *FAULTS_ROWS, *(row(n) for n in range(3, 12))])
    one = audit(samples)
    monkeypatch.setattr("mdlp_bench.curate.audit.auditing._CHUNK", 4)
    assert audit(samples, engine=parallel) == one


FAULTS_ROWS = [FAULTS["near-duplicate-leak"], FAULTS["duplicate"]]


def test_the_quarantine_heals_leaks_and_deletes_nothing(make_samples: MakeSamples, tmp_path: Path) -> None:
    rows = [row(0), FAULTS["near-duplicate-leak"], FAULTS["duplicate"], *(row(n) for n in range(3, 9))]
    rows.append(row(20, gt={"bytes": b"broken", "path": "x.png"}))
    samples = make_samples(rows=rows)
    folder = tmp_path / "tiny"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found = audit(samples)
    added = quarantine(found, samples, folder)
    # The copy in the smaller split leaves, the first of two in one split stays, the broken one leaves.
    assert set(added) == {"s0001", "s0002", "s0020"}
    assert read_quarantine(folder) == added
    assert all(path.read_bytes() == content for path, content in before.items())
    healed = audit(open_samples(folder))
    assert healed.findings == () and healed.quarantined == 3
    assert quarantine(healed, open_samples(folder), folder) == {}
    assert set(read_quarantine(folder)) == set(added)


def test_the_page_shows_the_offending_pictures(make_samples: MakeSamples, tmp_path: Path) -> None:
    samples = make_samples(rows=[row(0), FAULTS["near-duplicate-leak"], row(4, text="<b>I</b>")])
    found = audit(samples)
    write_html(found, samples, tmp_path / "audit.html")
    page = (tmp_path / "audit.html").read_text()
    assert "<b>I" not in page
    assert all(source.startswith("data:image/jpeg;base64,") for source in re.findall(r'src="([^"]*)', page))
    assert page.count("<img") == 2 + 4
    assert "near-duplicate-leak" in page and "s0002" in page


def test_the_repeated_plate_of_real_figures(shared_dir: Path) -> None:
    found = audit(open_samples(shared_dir / "real" / "mdlp_figures"))
    assert codes(found) == {"near-duplicate": 1, "repeated-plate": 1}
    assert all(finding.sample_ids == ("val-0010", "val-0031") for finding in found.findings)
    assert "京P20S75" in found.findings[1].message


def test_the_same_plate_across_splits_of_real_figures_is_a_leak(shared_dir: Path, tmp_path: Path) -> None:
    source = shared_dir / "real" / "mdlp_figures"
    folder = tmp_path / "mdlp"
    groups = {"train": ("0001", "0002", "0010"), "val": ("0031", "0003")}
    for split, names in groups.items():
        for part in ("inputs", "gt"):
            for name in names:
                shutil.copytree(source / "val" / part / name, folder / split / part / name)
    shutil.copy(source / "labels.csv", folder)
    runner = CliRunner()
    done = runner.invoke(app, ["data", "audit", str(folder), "--json", "--fix"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert {"plate-leak", "near-duplicate-leak"} <= set(found["counts"])
    assert set(read_quarantine(folder)) == {"val-0031"}
    again = runner.invoke(app, ["data", "audit", str(folder), "--html", str(tmp_path / "a.html")])
    assert f"report: {tmp_path / 'a.html'}" in again.output.replace("\n", "")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "a.html").is_file()


def test_broken_files_of_a_folder_are_found(shared_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mdlp"
    for part in ("inputs", "gt"):
        for name in ("0001", "0002", "0003"):
            shutil.copytree(
                shared_dir / "real" / "mdlp_figures" / "val" / part / name, folder / "val" / part / name
            )
    victim = next((folder / "val" / "gt" / "0002").iterdir())
    victim.write_bytes(victim.read_bytes()[:200])
    found = audit(open_samples(folder))
    assert codes(found) == {"broken": 1}
    assert victim.name in found.findings[0].message
    assert set(quarantine(found, open_samples(folder), folder)) == {"val-0002"}
    assert codes(audit(open_samples(folder))) == {}


def test_a_shard_that_is_not_the_manifests(make_samples: MakeSamples, tmp_path: Path) -> None:
    write_parquet([row(n) for n in range(4)], tmp_path / "d")
    shard = next((tmp_path / "d" / "data").glob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    try:
        assert audit(open_samples(tmp_path / "d")).counts
    except DataError as error:
        assert shard.name in str(error)


def test_thresholds_of_a_file_and_wrong_ones(tmp_path: Path) -> None:
    write_parquet([row(n) for n in range(4)], tmp_path / "d")
    runner = CliRunner()
    (tmp_path / "c.json").write_text('{"min_height": 17}')
    done = runner.invoke(
        app, ["data", "audit", str(tmp_path / "d"), "--config", str(tmp_path / "c.json"), "--json"]
    )
    assert done.exit_code == 0
    assert json.loads(done.stdout)["counts"] == {"extreme-size": 4}
    for content in ('{"min_height": 0}', '{"colour": 1}', "[1]", "{"):
        (tmp_path / "c.json").write_text(content)
        failed = runner.invoke(
            app, ["data", "audit", str(tmp_path / "d"), "--config", str(tmp_path / "c.json")]
        )
        assert isinstance(failed.exception, DataError)
        assert "\n" not in str(failed.exception)
