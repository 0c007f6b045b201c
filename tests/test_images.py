from __future__ import annotations

import io
import struct
import zlib
from typing import Literal

import numpy as np
import pytest
from PIL import Image, ImageOps

from mdlp_bench import images
from mdlp_bench.errors import DataError

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_png_round_trip_is_exact() -> None:
    assert np.array_equal(images.decode(images.encode(PICTURE), "p"), PICTURE)


@pytest.mark.parametrize("kind", ["jpg", "webp"])
def test_a_lower_quality_is_smaller_and_still_the_picture(kind: Literal["jpg", "webp"]) -> None:
    smooth = np.asarray(Image.fromarray(PICTURE).resize((300, 200), Image.Resampling.BICUBIC))
    low, high = (images.encode(smooth, kind, quality) for quality in (20, 95))
    assert len(low) < len(high)
    errors = [np.abs(images.decode(c, "p").astype(int) - smooth).mean() for c in (low, high)]
    assert errors[1] < min(8, errors[0])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG", "WEBP"])
def test_agrees_with_pil(kind: str) -> None:
    smooth = Image.fromarray(PICTURE).resize((60, 40), Image.Resampling.BICUBIC)
    content = saved(smooth, kind)
    reference = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert np.abs(images.decode(content, "p").astype(int) - reference).max() <= 2


def test_grey_and_opaque_alpha_become_rgb() -> None:
    grey = Image.fromarray(PICTURE[..., 0])
    assert np.array_equal(images.decode(saved(grey, "PNG"), "p"), np.repeat(PICTURE[..., :1], 3, axis=2))
    opaque = Image.fromarray(np.dstack([PICTURE, np.full(PICTURE.shape[:2], 255, np.uint8)]))
    assert np.array_equal(images.decode(saved(opaque, "PNG"), "p"), PICTURE)
    palette = Image.fromarray(PICTURE).quantize(16)
    assert np.array_equal(images.decode(saved(palette, "PNG"), "p"), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    from PIL import ImageOps

    smooth = Image.fromarray(PICTURE).resize((48, 32), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(smooth, "JPEG", exif=exif.tobytes(), quality=95)
    reference = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content)))).astype(int)
    decoded = images.decode(content, "p").astype(int)
    assert decoded.shape == reference.shape
    assert np.abs(decoded - reference).max() <= 2


def transparent() -> bytes:
    alpha = np.full(PICTURE.shape[:2], 255, np.uint8)
    alpha[3, 4] = 128
    return saved(Image.fromarray(np.dstack([PICTURE, alpha])), "PNG")


def huge_header() -> bytes:
    content = bytearray(saved(Image.fromarray(PICTURE), "PNG"))
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    return bytes(content)


JPEG, PNG = saved(Image.fromarray(PICTURE), "JPEG"), saved(Image.fromarray(PICTURE), "PNG")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"not an image at all", "not a readable image"),
        (JPEG[: len(JPEG) // 2], "truncated JPEG"),
        (PNG[: len(PNG) // 2], "truncated PNG"),
        (JPEG[:3], "truncated JPEG"),
        (saved(Image.fromarray(PICTURE).convert("CMYK"), "JPEG"), "CMYK"),
        (saved(Image.fromarray(PICTURE[..., 0].astype(np.uint16) * 257), "PNG"), "16-bit"),
        (transparent(), "transparent"),
        (huge_header(), "at most"),
        (
            saved(Image.fromarray(PICTURE), "PNG", save_all=True, append_images=[Image.new("RGB", (30, 20))]),
            "animated",
        ),
        (b"\x80\x04\x95pickle", "not a readable image"),
        (b"GIF89a" + bytes(40), "not a readable image"),
    ],
)
def test_what_would_need_a_guess_is_refused_by_name(content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        images.decode(content, "group 7/img_1.jpg")
    assert str(caught.value).startswith("group 7/img_1.jpg: ")
    assert "\n" not in str(caught.value)


def test_damage_inside_a_file_is_seen_by_verify() -> None:
    damaged = bytearray(PNG)
    damaged[len(PNG) // 2] ^= 0xFF
    with pytest.raises(DataError, match="p: "):
        images.verify(bytes(damaged), "p")


def test_encode_refuses_other_arrays() -> None:
    with pytest.raises(DataError, match="float64"):
        images.encode(PICTURE.astype(float))  # type: ignore[arg-type]


def test_every_real_image_is_read_as_pil_reads_it(shared_dir) -> None:
    for path in sorted((shared_dir / "real/mdlp_figures").rglob("*.jpg")):
        content = path.read_bytes()
        reference = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert images.verify(content, path.name) == reference.shape[:2]
        assert np.abs(images.decode(content, path.name).astype(int) - reference).max() <= 3


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (PICTURE[..., 0], r"got uint8 \[20, 30\]"),
        (PICTURE[:0], r"got uint8 \[0, 30, 3\]"),
        ("a.png", "got str"),
    ],
)
def test_what_is_no_picture_is_named(wrong: object, says: str) -> None:
    with pytest.raises(DataError, match=rf"^the crop: expected .*{says}$"):
        images.check_rgb(wrong, "the crop")
    with pytest.raises(DataError, match=r"^expected"):
        images.check_rgb(wrong)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_exif_orientation_is_applied_in_every_format(kind: str, orientation: int) -> None:
    smooth = Image.fromarray(PICTURE).resize((48, 32), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95}
    content = saved(smooth, kind, exif=exif.tobytes(), **options)
    reference = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")).astype(
        int
    )
    decoded = images.decode(content, "p").astype(int)
    assert decoded.shape == reference.shape and np.abs(decoded - reference).max() <= 2


def test_exif_counts_wherever_it_stands() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth = Image.fromarray(PICTURE).resize((48, 32), Image.Resampling.BICUBIC)
    plain = saved(smooth, "JPEG")
    segment = b"\xff\xe1" + (len(exif.tobytes()) + 2).to_bytes(2, "big") + exif.tobytes()
    padding = b"\xff\xe2" + (60_002).to_bytes(2, "big") + bytes(60_000)
    assert images.decode(plain[:2] + padding * 3 + segment + plain[2:], "p").shape == (48, 32, 3)
    png = saved(smooth, "PNG")
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = len(body).to_bytes(4, "big") + b"eXIf" + body + zlib.crc32(b"eXIf" + body).to_bytes(4, "big")
    assert images.decode(png[:-12] + chunk + png[-12:], "p").shape == (48, 32, 3)
    broken = plain[:2] + b"\xff\xe1\x00\x0eExif\0\0MM\0\x2a\xff\xff" + plain[2:]
    assert images.decode(broken, "p").shape == (32, 48, 3)


def test_exif_of_older_imagemagick_counts() -> None:
    plain = saved(Image.new("RGB", (20, 10)), "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = exif.tobytes()
    profile = b"\nAPP1\n%8d\n%s\n" % (len(raw), raw.hex().encode())
    body = b"zTXtRaw profile type APP1\0\0" + zlib.compress(profile)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    assert images.decode(plain[:33] + chunk + plain[33:], "x").shape == (20, 10, 3)


@pytest.mark.parametrize("behind", [bytes(5000), b"\0" * 70_000 + b"ftypmp42", JPEG])
def test_data_behind_the_end_is_no_damage(behind: bytes) -> None:
    assert images.verify(JPEG + behind, "p") == images.verify(PNG + behind, "p") == (20, 30)


def test_a_thumbnail_does_not_end_a_picture() -> None:
    thumb = saved(Image.new("RGB", (8, 8)), "JPEG")
    whole = JPEG[:2] + b"\xff\xe2" + (len(thumb) + 2).to_bytes(2, "big") + thumb + JPEG[2:]
    assert images.decode(whole, "p").shape == PICTURE.shape
    with pytest.raises(DataError, match="truncated JPEG"):
        images.decode(whole[: len(whole) // 2 + len(thumb)], "p")


def bomb(kind: str, side: int = 30_000) -> bytes:
    """A small file whose header claims side x side pixels."""
    if kind == "BMP":
        return (
            b"BM" + struct.pack("<IIIIiiHHIIiiII", 1080, 0, 1078, 40, side, -side, 1, 8, 1, 2, 0, 0, 256, 0)
            + bytes(1024) + b"\0\1"
        )  # fmt: skip
    if kind == "OS/2 BMP":
        return b"BM" + struct.pack("<IIIIHHHH", 26, 0, 26, 12, side, side, 1, 24) + bytes(64)
    if kind == "TIFF":
        return b"II*\0" + struct.pack("<I", 8) + bytes(100)
    if kind == "GIF":
        return b"GIF89a" + struct.pack("<HH", side, side) + bytes(40)
    if kind == "JPEG":
        content = bytearray(JPEG)
        start = JPEG.index(b"\xff\xc0")
        content[start + 5 : start + 9] = struct.pack(">HH", side, side)
        return bytes(content)
    lossless = kind == "WebP lossless"
    content = bytearray(saved(Image.fromarray(PICTURE), "WEBP", lossless=lossless))
    side = min(side, 16_383)
    at = 21 if lossless else 26
    size = (side - 1) | (side - 1) << 14 if lossless else side | side << 16
    content[at : at + 4] = struct.pack("<I", size)
    return bytes(content)


@pytest.mark.parametrize("kind", ["BMP", "OS/2 BMP", "TIFF", "GIF", "JPEG", "WebP", "WebP lossless"])
def test_the_size_is_checked_before_decoding(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("cv2.imdecode", decoded)
    with pytest.raises(DataError, match="not a readable image" if kind in ("TIFF", "GIF") else "at most"):
        images.verify(bomb(kind), "p")


@pytest.mark.parametrize("kind", ["BMP", "WEBP"])
def test_cut_files_of_every_format_are_refused(kind: str) -> None:
    content = saved(Image.fromarray(PICTURE), kind)
    for share in (0.2, 0.5, 0.9):
        with pytest.raises(DataError, match="truncated"):
            images.decode(content[: int(len(content) * share)], "p")


@pytest.mark.parametrize(
    ("start", "says"),
    [(b"\0\0\0\x18ftypheic", "HEIC"), (b"II*\0", "TIFF"), (b"version https://git-lfs", "LFS")],
)
def test_other_formats_are_named(start: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says):
        images.decode(start + bytes(80), "p")
