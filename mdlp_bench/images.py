"""Encoded image bytes to uint8 RGB arrays and back, refusing everything that would be silently misread."""

from __future__ import annotations

import io
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import DataError

ImageU8 = npt.NDArray[np.uint8]
"""uint8 RGB [H, W, 3]; batches are [B, H, W, 3], frames [B, N, H, W, 3]."""

_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
# Crops have hundreds of pixels a side, scenes thousands; a larger header is an attack or a mistake.
MAX_PIXELS: Final = 64_000_000

LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the luma of BT.601."""


def decode(content: bytes, name: str) -> ImageU8:
    """Decode one image as uint8 RGB [H, W, 3].

    JPEG, PNG, BMP and WebP are read. Grey images become three equal channels, a fully opaque alpha channel is
    dropped, EXIF rotation is applied. All else that would need a guess is refused.

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
    if content.startswith(_JPEG_START) and b"Exif\x00\x00" in content[:4096]:
        rgb = _apply_exif(content, np.asarray(rgb, np.uint8))
    return np.asarray(rgb, np.uint8)


def check_rgb(image: object, name: str = "") -> None:
    """Refuse what is not a uint8 RGB image [H, W, 3] with pixels in it.

    Args:
        image: What is to be an image.
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
    if not content:
        raise DataError(f"{name}: the file is empty; replace it")
    if content.startswith(_JPEG_START):
        # Cameras pad behind the end marker; a marker that is nowhere near the end means a cut file.
        if _JPEG_END not in content[-1024:]:
            raise DataError(f"{name}: truncated JPEG (no end marker); copy the file again")
        width, height, components = _jpeg_header(content, name)
        if components == 4:
            raise DataError(f"{name}: CMYK JPEG; convert to RGB")
    elif content.startswith(_PNG_START):
        if _PNG_END not in content[-1024:]:
            raise DataError(f"{name}: truncated PNG (no end chunk); copy the file again")
        width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
        if b"acTL" in content[:256]:
            raise DataError(f"{name}: animated PNG; give a single picture")
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        if b"ANIM" in content[:256]:
            raise DataError(f"{name}: animated WebP; give a single picture")
        return
    elif content.startswith(b"BM"):
        return
    else:
        raise DataError(f"{name}: not a readable image (JPEG, PNG, BMP, WebP); replace the file")
    if not 0 < width * height <= MAX_PIXELS:
        raise DataError(f"{name}: {width} x {height} pixels; at most {MAX_PIXELS:,} are read")


def _jpeg_header(content: bytes, name: str) -> tuple[int, int, int]:
    """Width, height and components from the first start-of-frame segment."""
    position = 2
    while position + 9 < len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        length = int.from_bytes(content[position + 2 : position + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(content[position + 5 : position + 7], "big")
            width = int.from_bytes(content[position + 7 : position + 9], "big")
            return width, height, content[position + 9]
        position += 2 + length
    raise DataError(f"{name}: JPEG without a frame header; replace the file")


def _apply_exif(content: bytes, rgb: ImageU8) -> ImageU8:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        orientation = image.getexif().get(0x0112, 1)
    # The eight orientations of the EXIF standard as (quarter turns counter-clockwise, mirror afterwards).
    turns, mirror = {2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (3, 0), 7: (1, 1), 8: (1, 0)}.get(
        orientation, (0, 0)
    )
    turned = np.rot90(rgb, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirror else turned)
