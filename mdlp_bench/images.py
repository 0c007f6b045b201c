"""Encoded image bytes to uint8 RGB arrays and back, refusing everything that would be silently misread."""

from __future__ import annotations

import io
import struct
from typing import Final, Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import DataError

_Pixel = TypeVar("_Pixel", np.uint8, np.float32)

ImageU8 = npt.NDArray[np.uint8]
"""uint8 RGB [H, W, 3]; batches are [B, H, W, 3], frames [B, N, H, W, 3]."""

_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_OTHER_KINDS: Final = {
    b"GIF8": "this is a GIF",
    b"II*\0": "this is a TIFF",
    b"MM\0*": "this is a TIFF",
    b"II+\0": "this is a TIFF",
    b"MM\0+": "this is a TIFF",
    b"ftyphei": "this is a HEIC picture",
    b"ftypmif1": "this is a HEIC picture",
    b"ftypavif": "this is an AVIF picture",
    b"\0\0\0\x0cjP  ": "this is a JPEG 2000 picture",
    b"%PDF": "this is a PDF",
    b"version https": "this is a Git LFS pointer",
    b"<": "this is a web page or SVG",
}
# EXIF stands in an APP1 segment (JPEG), an eXIf or text chunk (PNG), an EXIF chunk (WebP), or as XMP.
_EXIF_MARKS: Final = (b"Exif\0\0", b"eXIf", b"EXIF", b"Raw profile type", b"tiff:Orientation")
_RAW_APP1: Final = "Raw profile type APP1"
"""How older versions of ImageMagick store EXIF in a PNG."""

# Crops have hundreds of pixels per side, scenes thousands; a larger header is an attack or a mistake.
MAX_PIXELS: Final = 64_000_000

LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the luma of BT.601."""


def decode(content: bytes, name: str) -> ImageU8:
    """Decode one image as uint8 RGB [H, W, 3].

    JPEG, PNG, BMP and WebP are read. Grey images become three equal channels, a fully opaque alpha channel is
    dropped, EXIF rotation is applied. Everything that would need a guess is refused, and what a header claims
    is checked before anything is decoded.

    Args:
        content: The encoded bytes.
        name: What to call the image in an error (file or sample).

    Raises:
        DataError: Empty, truncated, not an image, 16-bit, CMYK, transparent, animated or of absurd size.
    """
    _check_container(content, name)
    buffer = np.frombuffer(content, np.uint8)
    try:
        image = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise DataError(f"{name}: cannot be decoded ({error.err}); replace the file") from error
    if image is None:
        raise DataError(f"{name}: not a readable image; replace the file")
    if image.dtype != np.uint8:
        raise DataError(f"{name}: {image.dtype.itemsize * 8}-bit samples; convert to 8 bits")
    if image.ndim == 2:
        rgb = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    elif image.shape[2] == 4:
        if int(image[..., 3].min()) < 255:
            raise DataError(f"{name}: has transparent pixels; flatten the alpha channel")
        rgb = cv2.cvtColor(image, cv2.COLOR_BGRA2RGB)
    else:
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    upright = np.asarray(rgb, np.uint8)
    return upright if (orientation := _orientation(content)) == 1 else _upright(upright, orientation)


def check_rgb(image: object, name: str = "") -> None:
    """Refuse what is not a uint8 RGB image [H, W, 3] with pixels in it.

    Args:
        image: What to check.
        name: What to call it in the error; left out when empty.

    Raises:
        DataError: It is something else.
    """
    if isinstance(image, np.ndarray):
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
            return
        found = f"{image.dtype} {list(image.shape)}"
    else:
        found = type(image).__name__
    raise DataError(f"{name and f'{name}: '}expected a uint8 [H, W, 3] image, got {found}")


def stretched(
    image: npt.NDArray[_Pixel], size: tuple[int, int], grow: int = cv2.INTER_CUBIC
) -> npt.NDArray[_Pixel]:
    """Bring an image [H, W] or [H, W, 3] to a height and width by the rule of the protocol.

    Axes that shrink are averaged over areas first; then axes that grow are interpolated.

    Args:
        image: The image; one that already has the size is returned as it is.
        size: Height and width.
        grow: OpenCV's interpolation of axes that grow.
    """
    height, width = size
    smaller = (min(image.shape[0], height), min(image.shape[1], width))
    if smaller != image.shape[:2]:
        image = np.asarray(cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA), image.dtype)
    if smaller != (height, width):
        image = np.asarray(cv2.resize(image, (width, height), interpolation=grow), image.dtype)
    return image


def encode(image: ImageU8, kind: Literal["png", "jpg", "webp"] = "png", quality: int = 95) -> bytes:
    """Encode uint8 RGB [H, W, 3] as PNG (lossless, default), or as JPEG or WebP of the given quality (1-100).

    Raises:
        DataError: The array is not uint8 RGB, or OpenCV is built without the format.
    """
    check_rgb(image)
    options = {
        "png": [cv2.IMWRITE_PNG_COMPRESSION, 3],
        "jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }[kind]
    done, buffer = cv2.imencode(f".{kind}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise DataError(f"an image of shape {list(image.shape)} cannot be encoded as {kind}")
    return buffer.tobytes()


def verify(content: bytes, name: str) -> tuple[int, int]:
    """Decode strictly with a second decoder and return (height, width); for bytes that enter a data set.

    `decode` is fast and catches a missing end; only a strict decoder sees damage in the middle.

    Raises:
        DataError: As `decode`, or the data inside are damaged.
    """
    from PIL import Image

    height, width = decode(content, name).shape[:2]
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: damaged image data ({error}); replace the file") from error
    return height, width


def _check_container(content: bytes, name: str) -> None:
    """Refuse by its header what must not be decoded; costs no memory, whatever size the header claims."""
    if not content:
        raise DataError(f"{name}: the file is empty; replace it")
    if content.startswith(_JPEG_START):
        width, height = _jpeg_size(content, name)
    elif content.startswith(_PNG_START):
        width, height = _png_size(content, name)
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        width, height = _webp_size(content, name)
    elif content.startswith(b"BM"):
        width, height = _bmp_size(content, name)
    else:
        other = next(
            (
                kind
                for start, kind in _OTHER_KINDS.items()
                if content.startswith(start) or content[4:].startswith(start)
            ),
            None,
        )
        found = f"{other}; " if other else ""
        raise DataError(f"{name}: not a readable image ({found}JPEG, PNG, BMP and WebP are read); convert it")
    if not 0 < width * height <= MAX_PIXELS:
        raise DataError(f"{name}: {width} x {height} pixels; at most {MAX_PIXELS:,} are read")


def _jpeg_size(content: bytes, name: str) -> tuple[int, int]:
    """Width and height from the frame header; the picture must end, whatever follows its end."""
    position = 2
    size: tuple[int, int] | None = None
    while position + 9 < len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            position += 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if content[position + 9] == 4:
                raise DataError(f"{name}: CMYK JPEG; convert to RGB")
            height, width = struct.unpack_from(">HH", content, position + 5)
            size = width, height
        if marker == 0xDA:
            break
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    # Segments before the scan may hold a thumbnail with an end of its own; in a scan the marker is the end.
    if content.find(_JPEG_END, position) < 0:
        raise DataError(f"{name}: truncated JPEG (no end marker); copy the file again")
    if size is None:
        raise DataError(f"{name}: JPEG without a frame header; replace the file")
    return size


def _png_size(content: bytes, name: str) -> tuple[int, int]:
    position, kind = len(_PNG_START), b""
    while position + 12 <= len(content) and kind != b"IEND":
        kind = content[position + 4 : position + 8]
        if kind == b"acTL":
            raise DataError(f"{name}: animated PNG; give a single picture")
        position += 12 + int.from_bytes(content[position : position + 4], "big")
    if kind != b"IEND" or position > len(content):
        raise DataError(f"{name}: truncated PNG (no end chunk); copy the file again")
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def _webp_size(content: bytes, name: str) -> tuple[int, int]:
    """The larger of the canvas and the picture on it."""
    if int.from_bytes(content[4:8], "little") + 8 > len(content):
        raise DataError(f"{name}: truncated WebP; copy the file again")
    width = height = 0
    position = 12
    while position + 18 <= len(content):
        kind = content[position : position + 4]
        body = content[position + 8 : position + 18]
        if kind == b"ANIM":
            raise DataError(f"{name}: animated WebP; give a single picture")
        if kind == b"VP8X":
            found = 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
        elif kind == b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            found = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif kind == b"VP8 ":
            across, down = struct.unpack_from("<HH", body, 6)
            found = across & 0x3FFF, down & 0x3FFF
        else:
            found = 0, 0
        width, height = max(width, found[0]), max(height, found[1])
        length = int.from_bytes(content[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
    return width, height


def _bmp_size(content: bytes, name: str) -> tuple[int, int]:
    if len(content) < 30:
        raise DataError(f"{name}: truncated BMP; copy the file again")
    if int.from_bytes(content[14:18], "little") == 12:
        width, height = struct.unpack_from("<HH", content, 18)
        depth, packed = int.from_bytes(content[24:26], "little"), False
    else:
        width, height = struct.unpack_from("<ii", content, 18)
        depth, packed = (
            int.from_bytes(content[28:30], "little"),
            content[30:34] not in (b"\0\0\0\0", b"\3\0\0\0"),
        )
        height = abs(height)  # negative where the first row is the top one
    start = int.from_bytes(content[10:14], "little")
    rows = (width * depth + 31) // 32 * 4 * height
    if not packed and 0 < width * height <= MAX_PIXELS and start + rows > len(content):
        raise DataError(f"{name}: truncated BMP; copy the file again")
    return width, height


def _orientation(content: bytes) -> int:
    """The orientation that EXIF or XMP gives (1 to 8); 1 where they give none or cannot be read."""
    if not any(mark in content for mark in _EXIF_MARKS):
        return 1
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            found = image.getexif()
            if not found and isinstance(raw := image.info.get(_RAW_APP1), str):
                # Two lines in front of the segment in hexadecimal: its name and its length.
                found.load(bytes.fromhex("".join(raw.split("\n")[3:])))
            return int(found.get(0x0112, 1))
    except Exception:  # the parser raises whatever damaged metadata lead it to; pixels are fine
        return 1


def _upright(rgb: ImageU8, orientation: int) -> ImageU8:
    # The eight orientations of the EXIF standard as (quarter turns counter-clockwise, mirror afterwards).
    turns, mirror = {2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (3, 0), 7: (1, 1), 8: (1, 0)}.get(
        orientation, (0, 0)
    )
    turned = np.rot90(rgb, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirror else turned)
