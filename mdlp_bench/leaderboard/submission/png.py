"""Pictures from strangers: a strict reader of the one kind of PNG that a submission holds.

The decoder is given a PNG rebuilt from header and pixel data alone, so it never sees a stranger's metadata.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.metrics.protocol import WORKING_SIZE

HEIGHT, WIDTH = WORKING_SIZE
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_RAW_BYTES: Final = HEIGHT * (1 + 3 * WIDTH)
_COLOURS: Final = {0: "grey", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_REMEDY: Final = f"save it as an 8-bit RGB PNG of {WIDTH} x {HEIGHT} pixels"


class PngError(Exception):
    """Why a picture is not accepted, and the remedy."""

    def __init__(self, code: str, problem: str, remedy: str = _REMEDY) -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem
        self.remedy = remedy


def read_png(content: bytes) -> ImageU8:
    """Check a PNG and decode it.

    Args:
        content: The file: 8-bit RGB, 224 x 112 (W x H), not interlaced, not animated.

    Returns:
        Its pixels, uint8 RGB [112, 224, 3].

    Raises:
        PngError: It is something else, or damaged.
    """
    if not content.startswith(_SIGNATURE):
        raise PngError("png", "not a PNG file")
    position = len(_SIGNATURE)
    header: bytes | None = None
    data: list[bytes] = []
    data_over = False
    while True:
        if position + 12 > len(content):
            raise PngError("png-damaged", "truncated PNG (no end chunk)", "copy the file again")
        length, kind = struct.unpack_from(">I4s", content, position)
        if position + 12 + length > len(content):
            raise PngError("png-damaged", "truncated PNG (a chunk is cut off)", "copy the file again")
        chunk = content[position + 8 : position + 8 + length]
        (crc,) = struct.unpack_from(">I", content, position + 8 + length)
        if zlib.crc32(kind + chunk) != crc:
            raise PngError("png-damaged", "a chunk's checksum is wrong", "copy the file again")
        position += 12 + length
        if header is None:
            _check_header(kind, chunk)
            header = chunk
        elif kind == b"IDAT":
            if data_over:
                raise PngError("png-damaged", "other chunks stand between its picture data")
            data.append(chunk)
        elif kind == b"IEND":
            break
        else:
            data_over = bool(data)
            _check_ancillary(kind)
    if position != len(content):
        raise PngError("png-damaged", f"{len(content) - position:,} bytes behind its end")
    pixels = b"".join(data)
    _check_pixels(pixels)
    clean = _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    try:
        return decode(clean, "picture")
    except DataError as error:
        raise PngError("png-damaged", "its picture data are damaged") from error


def _check_header(kind: bytes, chunk: bytes) -> None:
    if kind != b"IHDR" or len(chunk) != 13:
        raise PngError("png-damaged", "it does not begin with a header chunk")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">2I5B", chunk)
    if (width, height) != (WIDTH, HEIGHT):
        raise PngError("png-size", f"{width:,} x {height:,} pixels, not {WIDTH} x {HEIGHT}")
    if depth != 8:
        raise PngError("png-depth", f"{depth} bits per channel, not 8")
    if colour != 2:
        raise PngError("png-colour", f"{_COLOURS.get(colour, 'unknown')} pixels, not RGB")
    if interlace:
        raise PngError("png-interlaced", "interlaced")
    if compression or filtering:
        raise PngError("png-damaged", "its header is not that of a PNG")


def _check_ancillary(kind: bytes) -> None:
    if kind in (b"acTL", b"fcTL", b"fdAT"):
        raise PngError("png-animated", "animated", "give a single picture")
    if kind == b"tRNS":
        raise PngError("png-colour", "transparent pixels")
    if not kind.isalpha() or (not kind[0] & 0x20 and kind != b"PLTE"):
        raise PngError("png-damaged", "a chunk that no PNG of this kind has")


def _check_pixels(data: bytes) -> None:
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(data, _RAW_BYTES + 1)
    except zlib.error as error:
        raise PngError("png-damaged", "its picture data are damaged") from error
    if len(rows) != _RAW_BYTES or not inflater.eof or inflater.unused_data:
        raise PngError("png-damaged", f"its picture data are not those of {WIDTH} x {HEIGHT} pixels")
    if max(rows[:: 1 + 3 * WIDTH]) > 4:
        raise PngError("png-damaged", "its picture data are damaged")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
