"""Compression: JPEG, chroma subsampling and the block transform of a video codec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from mdlp_bench.errors import DataError
from mdlp_bench.images import LUMA
from mdlp_bench.quality.dct import dct_matrix
from mdlp_bench.synth.degrade.operators.base import ImageF32, Params, to_float, to_uint8
from mdlp_bench.synth.exact import product, resized

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]

_CV_SUBSAMPLING: Final[Mapping[str, int]] = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


class JpegParams(Params):
    """Baseline JPEG with the standard tables scaled to `quality`."""

    quality: int = Field(ge=1, le=100)
    subsampling: Subsampling = "4:2:0"


def encode_jpeg(image: ImageF32, params: JpegParams) -> bytes:
    """The JPEG file of an image."""
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        params.quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        _CV_SUBSAMPLING[params.subsampling],
    ]
    done, buffer = cv2.imencode(".jpg", cv2.cvtColor(to_uint8(image), cv2.COLOR_RGB2BGR), options)
    if not done:
        raise DataError(f"an image of shape {list(image.shape)} cannot be encoded as JPEG")
    return buffer.tobytes()


def jpeg(image: ImageF32, params: JpegParams, rng: np.random.Generator) -> ImageF32:
    """Encode and decode."""
    decoded = cv2.imdecode(np.frombuffer(encode_jpeg(image, params), np.uint8), cv2.IMREAD_COLOR)
    return to_float(np.asarray(cv2.cvtColor(np.asarray(decoded), cv2.COLOR_BGR2RGB), np.uint8))


class ChromaSubsamplingParams(Params):
    """Colour at 1 / `factor` of the resolution in both directions."""

    factor: int = Field(2, ge=2, le=8)


def chroma_subsampling(
    image: ImageF32, params: ChromaSubsamplingParams, rng: np.random.Generator
) -> ImageF32:
    """Average the chroma (BT.601) over factor x factor pixels and interpolate it back; luma is kept."""
    height, width = image.shape[:2]
    luma, chroma = _luma_chroma(image)
    small = (max(1, -(-width // params.factor)), max(1, -(-height // params.factor)))
    chroma = resized(chroma, small, cv2.INTER_AREA)
    chroma = resized(chroma, (width, height), cv2.INTER_LINEAR)
    return np.asarray(np.clip(_rgb(luma, chroma), 0.0, 1.0), np.float32)


class BlockCodecParams(Params):
    """Intra coding as in H.264.

    Attributes:
        qp: Quantiser parameter; the step doubles every 6 (0.625 at 0, on the 0-255 scale).
        chroma_qp: Quantiser parameter of the half-resolution chroma planes.
        block: Side of the transform blocks.
        grid_x, grid_y: Position of the crop in the codec's block grid, pixels.
        deblocking: 0 leaves block edges, 1 smooths them as far as the quantiser step may have caused them.
    """

    qp: float = Field(ge=0, le=51)
    chroma_qp: float = Field(ge=0, le=51)
    block: Literal[4, 8, 16] = 8
    grid_x: int = Field(0, ge=0, le=15)
    grid_y: int = Field(0, ge=0, le=15)
    deblocking: float = Field(0.5, ge=0, le=1)


def block_codec(image: ImageF32, params: BlockCodecParams, rng: np.random.Generator) -> ImageF32:
    """Quantise the block transform of luma and of half-resolution chroma.

    A crop of a video frame carries the frame's block grid at an arbitrary offset, unlike the grid of the
    JPEG it is stored in.
    """
    height, width = image.shape[:2]
    luma, chroma = _luma_chroma(image * np.float32(255))
    half = (-(-width // 2), -(-height // 2))
    chroma = resized(chroma, half, cv2.INTER_AREA)
    grid = (params.grid_x % params.block, params.grid_y % params.block)
    luma = _code_plane(luma, params.qp, params.block, grid, params.deblocking)
    coded = [
        _code_plane(
            np.ascontiguousarray(chroma[..., i], np.float32),
            params.chroma_qp,
            params.block,
            (grid[0] // 2, grid[1] // 2),
            params.deblocking,
        )
        for i in range(2)
    ]
    wide = resized(np.stack(coded, axis=-1), (width, height), cv2.INTER_LINEAR)
    return np.asarray(np.clip(_rgb(luma, wide) / 255, 0.0, 1.0), np.float32)


def _luma_chroma(image: ImageF32) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Luma [H, W] and the chroma (Cr, Cb) [H, W, 2] of BT.601, its factors to three decimals; grey is 0.5."""
    luma = product(image, LUMA)
    chroma = np.empty((*luma.shape, 2), np.float32)
    chroma[..., 0] = (image[..., 0] - luma) * np.float32(0.713) + np.float32(0.5)
    chroma[..., 1] = (image[..., 2] - luma) * np.float32(0.564) + np.float32(0.5)
    return luma, chroma


def _rgb(luma: npt.NDArray[np.float32], chroma: npt.NDArray[np.float32]) -> ImageF32:
    """The inverse of `_luma_chroma`."""
    red, blue = chroma[..., 0] - np.float32(0.5), chroma[..., 1] - np.float32(0.5)
    image = np.empty((*luma.shape, 3), np.float32)
    image[..., 0] = luma + red * np.float32(1.403)
    image[..., 1] = luma - red * np.float32(0.714) - blue * np.float32(0.344)
    image[..., 2] = luma + blue * np.float32(1.773)
    return image


def _code_plane(
    plane: npt.NDArray[np.float32], qp: float, block: int, grid: tuple[int, int], deblocking: float
) -> npt.NDArray[np.float32]:
    height, width = plane.shape
    left, top = grid
    right, bottom = -(width + left) % block, -(height + top) % block
    padded = cv2.copyMakeBorder(plane, top, bottom, left, right, cv2.BORDER_REPLICATE)
    rows, columns = padded.shape[0] // block, padded.shape[1] // block
    blocks = padded.reshape(rows, block, columns, block).transpose(0, 2, 1, 3)
    step = 0.625 * 2 ** (qp / 6)
    basis = dct_matrix(block)
    spectrum = product(product(basis, blocks), basis.T)
    # Rounding offset 1/3: the dead zone encoders use for intra blocks.
    quantised = np.sign(spectrum) * np.floor(np.abs(spectrum) / np.float32(step) + np.float32(1 / 3))
    decoded = product(product(basis.T, quantised * np.float32(step)), basis)
    decoded = decoded.transpose(0, 2, 1, 3).reshape(padded.shape)
    if deblocking > 0:
        limit = np.float32(deblocking * step / 2)
        decoded = _deblock(_deblock(decoded, block, limit).T, block, limit).T
    return np.ascontiguousarray(decoded[top : top + height, left : left + width], np.float32)


def _deblock(plane: npt.NDArray[np.float32], block: int, limit: np.float32) -> npt.NDArray[np.float32]:
    """Pull the two pixels beside each vertical block edge together, by at most `limit` each."""
    plane = np.array(plane)
    before, after = plane[:, block - 1 : -1 : block], plane[:, block::block]
    change = np.clip((after - before) / 4, -limit, limit)
    plane[:, block - 1 : -1 : block] = before + change
    plane[:, block::block] = after - change
    return plane
