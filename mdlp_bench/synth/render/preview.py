"""Contact sheets of rendered plates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mdlp_bench.errors import DataError
from mdlp_bench.files import seed_for, write_bytes
from mdlp_bench.images import encode
from mdlp_bench.plate import LAYOUTS, Layout
from mdlp_bench.synth.render.face import render_plate
from mdlp_bench.synth.render.raster import Image
from mdlp_bench.synth.render.samples import DEFAULT_LAYOUTS, render_samples
from mdlp_bench.synth.render.style import Appearance, sample_style
from mdlp_bench.synth.render.text import Provinces, sample_text


def contact_sheet(images: Iterable[Image], columns: int, *, gap: int = 4) -> Image:
    """Lay images of one size out in rows.

    Args:
        images: uint8 RGB [H, W, 3], all of one size, at least one.
        columns: Images per row; the last row is filled up with white.
        gap: White pixels between images.

    Returns:
        uint8 RGB.

    Raises:
        DataError: There are no images, they differ in size, or `columns` is below 1.
    """
    tiles = list(images)
    if not tiles or columns < 1:
        raise DataError("a contact sheet needs at least one image and one column")
    rows, width, _ = tiles[0].shape
    for index, tile in enumerate(tiles):
        if tile.shape != tiles[0].shape:
            raise DataError(
                f"image {index} of the contact sheet is {tile.shape}, the first is {tiles[0].shape}"
            )
    lines = -(-len(tiles) // columns)
    sheet = np.full((lines * (rows + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = index // columns * (rows + gap), index % columns * (width + gap)
        sheet[y : y + rows, x : x + width] = tile
    return sheet


def scene_sheet(
    seed: int,
    n: int,
    *,
    columns: int = 6,
    layouts: Mapping[Layout, float] = DEFAULT_LAYOUTS,
    provinces: Provinces = "uniform",
    appearance: Appearance = Appearance(),  # noqa: B008 - frozen
    size: tuple[int, int] = (112, 224),
) -> Image:
    """The first `n` samples of a stream (arguments as in `render_samples`) as one picture."""
    samples = render_samples(seed, n, layouts=layouts, provinces=provinces, appearance=appearance, size=size)
    return contact_sheet((sample.image for sample in samples), columns)


def layout_sheet(seed: int, *, difficulties: tuple[float, ...] = (0.0, 0.5, 1.0), height: int = 84) -> Image:
    """One row of frontal faces for every layout, one column for every difficulty."""
    tiles: list[Image] = []
    for row, layout in enumerate(LAYOUTS):
        for column, difficulty in enumerate(difficulties):
            rng = np.random.default_rng(seed_for(seed, row, column))
            text = sample_text(rng, layout)
            style = sample_style(rng, layout, appearance=Appearance(difficulty=difficulty))
            face = render_plate(text, layout, style, height=height)
            pad = round(height * 480 / 140) - face.shape[1]
            tiles.append(np.pad(face, ((0, 0), (0, pad), (0, 0)), constant_values=255))
    return contact_sheet(tiles, len(difficulties))


def write_picture(target: Path, image: Image) -> None:
    """Write a picture atomically; the name's ending decides the format (.png, or .jpg at quality 88).

    Raises:
        DataError: The ending names no format.
        MdlpBenchError: The file cannot be written.
    """
    match target.suffix.lower():
        case ".png":
            write_bytes(target, encode(image))
        case ".jpg" | ".jpeg":
            write_bytes(target, encode(image, "jpg", 88))
        case _:
            raise DataError(f"{target}: unknown picture format; end the name with .png or .jpg")
