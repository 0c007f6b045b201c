"""Draw what the reader `crnn-3` misreads: docs/images/reader-failures.jpg, from rendered plates alone.

python docs/tools/reader_failures.py
"""

from __future__ import annotations

import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mdlp_bench.files import seed_for
from mdlp_bench.images import ImageU8
from mdlp_bench.readers import Reading, load_reader
from mdlp_bench.training.reader_data import photograph, render_pool

OUT: Final = Path(__file__).parents[1] / "images" / "reader-failures.jpg"
SEED: Final = 7_000_007
"""A stream that no training and no calibration draws from."""
PLATES: Final = 600
COLUMNS, ROWS, WIDTH, HEIGHT, CAPTION = 4, 6, 232, 76, 24


def main() -> None:
    """Write the picture, the surest errors first, and print how many there were."""
    reader = load_reader("crnn-3")
    threshold = reader.descriptor.believed_from or 2.0
    with tempfile.TemporaryDirectory() as folder:
        pool = render_pool(Path(folder), SEED, PLATES, makers=True)
    crops = [
        photograph(image, np.random.default_rng(seed_for("failures", index)))
        for index, image in enumerate(pool.images)
    ]
    readings = reader.read(crops)
    wrong = [i for i, text in enumerate(pool.texts) if readings[i].text != text]
    believed = sum(reading.confidence >= threshold for reading in readings)
    print(f"{len(wrong)} of {PLATES} misread, {believed} believed")  # noqa: T201
    shown = sorted(wrong, key=lambda i: -readings[i].confidence)[: COLUMNS * ROWS]
    sheet = Image.new("RGB", (COLUMNS * WIDTH, ROWS * (HEIGHT + CAPTION)), "white")
    for place, index in enumerate(shown):
        row, column = divmod(place, COLUMNS)
        corner = (column * WIDTH, row * (HEIGHT + CAPTION))
        sheet.paste(_panel(crops[index], pool.texts[index], readings[index], threshold), corner)
    sheet.save(OUT, quality=80)


def _panel(crop: ImageU8, text: str, reading: Reading, threshold: float) -> Image.Image:
    panel = Image.new("RGB", (WIDTH, HEIGHT + CAPTION), "white")
    size = (WIDTH - 8, HEIGHT - 6)
    panel.paste(Image.fromarray(cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC)), (4, 4))
    colour = "#b00020" if reading.confidence >= threshold else "#333333"
    caption = f"{text} {reading.text} {100 * reading.confidence:.0f}"
    left = 4.0
    for character in caption:
        if character == " ":  # the fonts hold no blank
            left += 12
            continue
        font = _font("han_medium" if ord(character) > 255 else "overpass")
        ImageDraw.Draw(panel).text((left, HEIGHT), character, fill=colour, font=font)
        left += font.getlength(character)
    return panel


def _font(name: str) -> ImageFont.FreeTypeFont:
    with as_file(files("mdlp_bench.synth.render") / "assets" / f"{name}.ttf") as path:
        return ImageFont.truetype(str(path), 15)


if __name__ == "__main__":
    main()
