"""Files that are broken, odd or malicious: none crashes, hangs or vanishes, whatever the source."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mdlp_bench.curate.audit import audit
from mdlp_bench.curate.pairing import PairingConfig
from mdlp_bench.curate.pairing.track import pair_track
from mdlp_bench.curate.tracks import open_tracks
from mdlp_bench.data import decode_batch, open_samples, write_parquet
from mdlp_bench.data.inspect import inspect
from mdlp_bench.errors import DataError
from mdlp_bench.images import decode

Draw = Callable[..., bytes]
SCENE = "025-95_113-2&3_38&15-38&15_3&14_2&3_37&4-0_0_22_27_27_33_16-{}-15.jpg"
"""Name of a CCPD scene of 40 x 18 pixels."""


def pil(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG whose header says what we like."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch PWNED",)


def hostile(draw: Draw) -> dict[str, bytes]:
    """File name to content; every one must be refused with a reason."""
    jpg, whole = draw(1), draw(2, kind="png")
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (18, 40, 3), np.uint8))
    clear = rgb.convert("RGBA")
    clear.putalpha(Image.fromarray(rng.integers(0, 255, (18, 40), np.uint8)))
    deep = rng.integers(0, 65536, (18, 40, 3), np.uint16)
    scrambled = bytearray(whole)
    scrambled[60:90] = os.urandom(30)
    flipped = bytearray(whole)
    flipped[-20] ^= 0xFF
    frames = [rgb, rgb.rotate(180)]
    return {
        "zero.jpg": b"",
        "one_byte.jpg": b"\xff",
        "soi_only.jpg": b"\xff\xd8",
        "marker_only.jpg": b"\xff\xd8\xff",
        "soi_eoi.jpg": b"\xff\xd8\xff\xd9",
        "cut_half.jpg": jpg[: len(jpg) // 2],
        "cut_head.jpg": jpg[10:],
        "cut_last.jpg": jpg[:-2],
        "cut_100.jpg": jpg[:100],
        "header_zeros.jpg": b"\xff\xd8\xff\xe0" + bytes(2000) + b"\xff\xd9",
        "endless_fill.jpg": b"\xff" * 4096 + b"\xff\xd9",
        "zero_length_segments.jpg": b"\xff\xd8" + b"\xff\xe0\x00\x00" * 64 + b"\xff\xd9",
        "huge_header.jpg": b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(50) + b"\xff\xd9",
        "cmyk.jpg": pil(rgb.convert("CMYK"), "JPEG"),
        "zero.png": b"",
        "signature.png": b"\x89PNG\r\n\x1a\n",
        "cut.png": whole[: len(whole) // 2],
        "cut_last.png": whole[:-4],
        "scrambled.png": bytes(scrambled),
        "bad_crc.png": bytes(flipped),
        "no_data.png": png(40, 18),
        "short_data.png": png(40, 18, bytes(50)),
        "bomb.png": png(60_000, 60_000, bytes(1000)),
        "empty_size.png": png(0, 0),
        "negative_size.png": png(0xFFFFFFFF, 1),
        "deep.png": cv2.imencode(".png", deep)[1].tobytes(),
        "clear.png": pil(clear, "PNG"),
        "animated.png": pil(rgb, "PNG", save_all=True, append_images=frames),
        "text.jpg": "这不是图片".encode(),
        "html.jpg": b"<!doctype html><title>404 Not Found</title>",
        "lfs.jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "pickle.jpg": pickle.dumps(Bomb()),
        "numpy.png": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "zip.jpg": b"PK\x03\x04" + bytes(100),
        "gzip.png": b"\x1f\x8b\x08\x00" + bytes(60),
        "elf.jpg": b"\x7fELF" + bytes(200),
        "gif.jpg": pil(rgb.convert("P"), "GIF", save_all=True, append_images=[rgb.rotate(9).convert("P")]),
        "tiff.png": pil(rgb, "TIFF"),
        "zeros.jpg": bytes(5000),
        "noise.jpg": np.random.default_rng(3).bytes(5000),
        "bmp_cut.bmp": pil(rgb, "BMP")[:80],
        "bmp_huge.bmp": b"BM" + struct.pack("<IHHIIiiHH", 99, 0, 0, 54, 40, 2**30, 2**30, 1, 24) + bytes(99),
        "animated.webp": pil(rgb, "WEBP", save_all=True, append_images=frames, lossless=True),
        "webp_cut.webp": pil(rgb, "WEBP")[:40],
        "riff.webp": b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(30),
    }  # fmt: skip


def harmless(draw: Draw) -> dict[str, bytes]:
    """Unusual files that must be read."""
    rng = np.random.default_rng(1)
    rgb = Image.fromarray(rng.integers(0, 256, (18, 40, 3), np.uint8))
    opaque = rgb.convert("RGBA")
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "grey.jpg": pil(rgb.convert("L"), "JPEG"),
        "grey.png": pil(rgb.convert("L"), "PNG"),
        "opaque.png": pil(opaque, "PNG"),
        "palette.png": pil(rgb.convert("P"), "PNG"),
        "rotated.jpg": pil(rgb, "JPEG", exif=exif),
        "progressive.jpg": pil(rgb, "JPEG", progressive=True),
        "padded.jpg": draw(1) + bytes(64),
        "png_as.jpg": draw(2, kind="png"),
        "one_pixel.png": draw(3, 1, 1, "png"),
        "plain.bmp": pil(rgb, "BMP"),
        "plain.webp": pil(rgb, "WEBP", lossless=True),
    }


def build(root: Path, files: dict[str, bytes], draw: Draw, place: str) -> None:
    """One group a file; the file is its frame or its ground truth."""
    for name, content in files.items():
        frames, gt = root / "train/inputs" / name, root / "train/gt" / name
        frames.mkdir(parents=True)
        gt.mkdir(parents=True)
        (frames / f"img_1{Path(name).suffix}").write_bytes(content if place == "frame" else draw(7))
        (gt / f"gt{Path(name).suffix}").write_bytes(content if place == "gt" else draw(8))


@pytest.mark.parametrize("place", ["frame", "gt"])
def test_every_hostile_file_is_told_and_the_rest_survives(
    tmp_path: Path, draw: Draw, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bad, good = hostile(draw), harmless(draw)
    assert len(bad) >= 40
    build(tmp_path / "set", bad | good, draw, place)
    samples = open_samples(tmp_path / "set")
    assert {i.removeprefix("train-") for i in samples.sample_ids} == set(good)
    told = {p.sample_id: p for p in samples.problems}
    assert {str(i).removeprefix("train-") for i in told} == set(bad)
    for problem in told.values():
        assert problem.code == "broken-image" and problem.rejected and "\n" not in problem.message
        assert str(problem.sample_id) in problem.message
    assert not (tmp_path / "PWNED").exists()
    manifest = write_parquet(samples, tmp_path / "pq")
    assert manifest.samples == len(good) and len(manifest.problems) == len(bad)
    again = write_parquet(open_samples(tmp_path / "set"), tmp_path / "pq2")
    assert again == manifest, "checked before or while writing: the same"
    assert inspect(open_samples(tmp_path / "set")).problems == {"broken-image": len(bad)}


def test_harmless_files_decode_as_they_should(draw: Draw) -> None:
    shapes = {name: decode(content, name).shape for name, content in harmless(draw).items()}
    assert shapes["rotated.jpg"] == (40, 18, 3) and shapes["one_pixel.png"] == (1, 1, 3)
    grey = decode(harmless(draw)["grey.png"], "grey")
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 1] == grey[..., 2]).all()


def test_special_files_cannot_block(mdlp: Path) -> None:
    os.mkfifo(mdlp / "train/inputs/a/img_4.jpg")
    (mdlp / "train/inputs/a/img_5.jpg").symlink_to("/dev/zero")
    (mdlp / "train/inputs/a/img_6.jpg").symlink_to("nowhere.jpg")
    (mdlp / "train/inputs/a/img_7.jpg").mkdir()
    (mdlp / "train/inputs/loop").symlink_to(mdlp / "train/inputs")
    samples = open_samples(mdlp)
    assert "train-a" in samples.sample_ids
    ignored = [p.message for p in samples.problems if p.code == "ignored-file"]
    assert [any(f"img_{n}.jpg" in message for message in ignored) for n in (4, 5, 6)] == [True] * 3
    assert any(p.sample_id == "train-loop" and p.code == "no-frames" for p in samples.problems)


def test_a_file_without_permission(mdlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "img_7.JPG":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    samples = open_samples(mdlp)
    assert "train-b" not in samples.sample_ids
    assert any("img_7.JPG: cannot be read (Permission denied)" in p.message for p in samples.problems)


def test_hostile_files_in_other_sources(tmp_path: Path, draw: Draw) -> None:
    bad = hostile(draw)
    (tmp_path / "crops").mkdir()
    (tmp_path / "blur/train/blur").mkdir(parents=True)
    (tmp_path / "blur/train/sharp").mkdir()
    lines = ["sample_id,frames,gt"]
    for n, (name, content) in enumerate(bad.items()):
        (tmp_path / "crops" / f"皖A{10000 + n}{Path(name).suffix}").write_bytes(content)
        (tmp_path / "blur/train/blur" / f"{n}.jpg").write_bytes(content)
        (tmp_path / "blur/train/sharp" / f"{n}.jpg").write_bytes(draw(n))
        (tmp_path / name).write_bytes(content)
        lines.append(f"s{n},{name},")
        lrlpr, ufpr = tmp_path / f"lrlpr/test/track_{n:05d}", tmp_path / f"ufpr/plate-{n:06d}"
        for folder in (lrlpr, ufpr):
            folder.mkdir(parents=True)
            (folder / "lr-001.png").write_bytes(draw(n, 48, 17, "png"))
            (folder / "lr-002.jpg").write_bytes(content)
        (ufpr / "hr-001.png").write_bytes(draw(n, 100, 40, "png"))
        (ufpr / "plate_ABC1234.txt").write_text("ABC1234")
        (tmp_path / "ccpd").mkdir(exist_ok=True)
        (tmp_path / "ccpd" / SCENE.format(n)).write_bytes(content)
    (tmp_path / "t.csv").write_text("\n".join(lines))
    for name in ("crops", "blur", "t.csv", "lrlpr", "ufpr", "ccpd"):
        samples = open_samples(tmp_path / name)
        assert len(samples) == 0, name
        assert len([p for p in samples.problems if p.code == "broken-image"]) == len(bad), name
        assert all("\n" not in p.message for p in samples.problems)


def test_hostile_bytes_inside_parquet(tmp_path: Path, draw: Draw) -> None:
    """Rows are taken as they are; whoever decodes one is told its name, and an audit finds them all."""
    bad = list(hostile(draw).values())
    rows = [
        {
            "sample_id": f"s{n:03d}",
            "plate_id": f"京A{10000 + n}",
            "track_id": f"t{n}",
            "split": "all",
            "domain": "real",
            "source": "tracks",
            "frames": [{"bytes": content, "path": "f.jpg"}],
            "frame_indices": [0],
        }
        for n, content in enumerate([*bad, draw(1)])
    ]
    write_parquet(rows, tmp_path / "pq")
    samples = open_samples(tmp_path / "pq")
    broken = [f for f in audit(samples).findings if f.code == "broken"]
    assert [f.sample_ids for f in broken] == [(f"s{n:03d}",) for n in range(len(bad))]
    (batch,) = samples.batches()
    for n in range(len(bad)):
        with pytest.raises(DataError, match=f"sample s{n:03d}, frame 0: "):
            decode_batch(batch.slice(n, 1))


def test_hostile_frames_of_tracks(tmp_path: Path, draw: Draw) -> None:
    bad = hostile(draw)
    for n, content in enumerate(bad.values()):
        (tmp_path / f"some/{n:03d}").mkdir(parents=True)
        (tmp_path / f"all/{n:03d}").mkdir(parents=True)
        for frame in range(6):
            good = draw(n, 60 + 20 * frame, 24 + 8 * frame)
            (tmp_path / f"some/{n:03d}/{frame}.jpg").write_bytes(content if frame == 1 else good)
            (tmp_path / f"all/{n:03d}/{frame}.jpg").write_bytes(content)
    config = PairingConfig(min_gt_height=24, min_gt_sharpness=0, max_frame_sharpness=1)
    for track in open_tracks(tmp_path / "some"):
        outcome = pair_track(track, config)
        assert [code for code, _ in outcome.notes] == ["broken-frame"]
        assert [frame.measures is None for frame in outcome.frames] == [n == 1 for n in range(6)]
    for track in open_tracks(tmp_path / "all"):
        assert [r.code for r in pair_track(track, config).rejections] == ["broken-image"]
