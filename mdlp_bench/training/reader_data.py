"""What readers learn from: rendered plates only, kept as a pool on disk and varied again at every visit."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from mdlp_bench.errors import DataError
from mdlp_bench.files import seed_for, write_bytes
from mdlp_bench.images import ImageU8
from mdlp_bench.plate import LATIN_LAYOUTS, LAYOUTS, Layout, grammars
from mdlp_bench.synth.render import (
    Appearance,
    PlateStyle,
    plate_of,
    render_plate,
    render_sample,
    render_scene_crop,
    sample_style,
)
from mdlp_bench.synth.render.glyphs import HanFace
from mdlp_bench.synth.render.raster import u8
from mdlp_bench.training.photo_effects import bend, elastic, expose, glare, jpeg, reweigh

POOL_SIZE: Final = (64, 160)
"""Height and width of pool images: twice the reader's input, so that varied crops never enlarge them much."""
FACE_SIZE: Final = (72, 232)
"""Height and width of frontal faces, twice as wide as they are in most crops."""
SHARD: Final = 2000
# Plates come in one typeface; a quarter in others keeps the reader from learning its outlines by heart.
DRAWN_FACE: Final = 0.75

# Shares of the makers' faces for Chinese glyphs.
MAKERS: Final[tuple[tuple[HanFace, float], ...]] = (
    ("han_plate", 0.4),
    ("han_plate_low", 0.3),
    ("han_medium", 0.2),
    ("han_bold", 0.1),
)
_MAKER_STEPS: Final = np.cumsum([share for _, share in MAKERS])[:-1]

# Every layout often enough to be learnt; blue and green, which traffic is made of, most often.
LAYOUT_SHARES: Final[dict[Layout, float]] = {
    "blue": 0.60,
    "green_small": 0.22,
    "green_large": 0.03,
    "yellow": 0.06,
    "white_police": 0.025,
    "black": 0.025,
    "training": 0.02,
    "trailer": 0.02,
}
SMALLEST: Final = 14
"""Height in pixels of the smallest varied plates: below it a person mostly guesses."""


Deliver = Callable[[ImageU8, np.random.Generator, float, int], ImageU8]
"""As `vary` and `photograph`: image, source of draws, strength and smallest height to a crop."""


@dataclass(frozen=True)
class Pool:
    """Rendered plates in memory.

    Attributes:
        images: uint8 RGB [N, H, W, 3]; [N, 64, 160, 3] but for faces.
        texts: The N texts.
    """

    images: npt.NDArray[np.uint8]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)


def layout_shares(names: Collection[str]) -> dict[Layout, float]:
    """Shares of the layouts of some grammars: for the Chinese one `LAYOUT_SHARES`, for others all alike.

    Raises:
        DataError: The renderer draws no plate of one of them.
    """
    shares: dict[Layout, float] = {}
    for name in names:
        found = [layout for layout in LAYOUTS if name in grammars() and layout in grammars()[name].layouts]
        if not found:
            raise DataError(f"the renderer draws no plates of the grammar {name!r}")
        shares |= {layout: LAYOUT_SHARES.get(layout, 1.0) for layout in found}
    return shares


def render_pool(
    folder: Path,
    seed: int,
    count: int,
    layouts: Mapping[Layout, float] = LAYOUT_SHARES,
    *,
    makers: bool = False,
) -> Pool:
    """Render `count` plates of stream `seed` into shards under `folder`, or read those that are there.

    A killed call continues with the first missing shard. Sample i depends on (seed, i, layouts, makers).

    Args:
        folder: Holds the shards.
        seed: The stream.
        count: How many plates.
        layouts: Shares of the layouts.
        makers: Draw the glyphs of many makers: provinces as plates have them beside those of fonts, and all
            strokes from thin to bold.

    Raises:
        DataError: A shard on the disk is damaged; names it.
        MdlpBenchError: The folder cannot be written.
    """
    kind = "" if layouts == LAYOUT_SHARES else "-".join(sorted(layouts)) + "-"
    draw = partial(_render_of_some_maker if makers else _render_plain, seed, layouts=layouts)
    return _pooled(folder / f"{'makers-' if makers else ''}{kind}seed{seed}", count, POOL_SIZE, draw)


def render_faces(folder: Path, seed: int, count: int) -> Pool:
    """Render the frontal faces of `count` plates of many makers; as `render_pool`, without a scene.

    Returns:
        A pool of images [N, 72, 232, 3]; the sheet fills them, whatever its width.
    """
    return _pooled(folder / f"faces-seed{seed}", count, FACE_SIZE, partial(_face_of_some_maker, seed))


def _pooled(
    prefix: Path, count: int, size: tuple[int, int], draw: Callable[[int], tuple[ImageU8, str]]
) -> Pool:
    """The pool of the plates that `draw` gives for 0 to `count` - 1, in shards whose names begin alike."""
    images = np.empty((count, *size, 3), np.uint8)
    texts: list[str] = []
    for start in range(0, count, SHARD):
        stop = min(start + SHARD, count)
        path = prefix.with_name(f"{prefix.name}-{start:07d}-{stop:07d}.npz")
        if not path.is_file():
            drawn = [draw(index) for index in range(start, stop)]
            buffer = io.BytesIO()
            np.savez(
                buffer,
                images=np.stack([one for one, _ in drawn]),
                texts=np.array([text for _, text in drawn]),
            )
            write_bytes(path, buffer.getvalue())
        try:
            with np.load(path, allow_pickle=False) as shard:
                images[start:stop] = shard["images"]
                texts += shard["texts"].tolist()
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: damaged pool shard; delete it and start again") from error
    return Pool(images, tuple(texts))


def _render_plain(seed: int, index: int, layouts: Mapping[Layout, float]) -> tuple[ImageU8, str]:
    rng = np.random.default_rng(seed_for("reader-appearance", seed, index))
    appearance = _appearance(rng, 0.1, 1.0, 0.05)
    sample = render_sample(seed, index, layouts=layouts, appearance=appearance, size=POOL_SIZE)
    return sample.image, sample.text


def _appearance(rng: np.random.Generator, easiest: float, hardest: float, loosest: float) -> Appearance:
    # From showroom to traffic and night, and detectors' crops from tight to loose. Provinces are uniform: a
    # reader that expects one province says it of crops that show none.
    return Appearance(
        difficulty=float(rng.uniform(easiest, hardest)),
        drawn_face=DRAWN_FACE,
        max_roll=20.0,
        night=0.4,
        mean_margin=float(rng.uniform(0.0, loosest)),
    )


def _render_of_some_maker(seed: int, index: int, layouts: Mapping[Layout, float]) -> tuple[ImageU8, str]:
    rng = np.random.default_rng(seed_for("reader-maker", seed, index))
    text, layout = plate_of(seed, index, layouts=layouts)
    style = _maker_style(rng, layout, 0.1 if layout in LATIN_LAYOUTS else 0.05)
    return render_scene_crop(text, layout, style, POOL_SIZE).image, text


def _face_of_some_maker(seed: int, index: int) -> tuple[ImageU8, str]:
    rng = np.random.default_rng(seed_for("reader-face", seed, index))
    text, layout = plate_of(seed, index, layouts=LAYOUT_SHARES)
    face = render_plate(text, layout, _maker_style(rng, layout, 0.05), height=FACE_SIZE[0])
    return u8(cv2.resize(face, FACE_SIZE[::-1], interpolation=cv2.INTER_AREA)), text


def _maker_style(rng: np.random.Generator, layout: Layout, loosest: float) -> PlateStyle:
    """Looks with the glyphs of one of many makers."""
    style = sample_style(rng, layout, appearance=_appearance(rng, 0.05, 0.8, loosest))
    face: HanFace = MAKERS[int(np.searchsorted(_MAKER_STEPS, rng.random(), side="right"))][0]
    return style.model_copy(
        update={
            "han": face,
            "stroke": float(np.clip(style.stroke + rng.normal(0.2, 0.6), -1.8, 2.0)),
            "han_stroke": float(np.clip(rng.normal(0.1, 0.6), -1.3, 1.4)),
        }
    )


def vary(
    image: ImageU8, rng: np.random.Generator, strength: float = 1.0, smallest: int = SMALLEST
) -> ImageU8:
    """One pool image as another camera and another cropper would have delivered it.

    Strokes (weight, elastic deformation), geometry (crop margins, perspective, shear, a bent sheet), then
    resolution (plates of about `smallest` to 48 pixels), blur, exposure, glare and colour, noise, JPEG.
    Everything stays readable for a person, because the reader must not learn to restore.

    Args:
        image: uint8 RGB [64, 160, 3].
        rng: Source of every draw.
        strength: Chance that anything is done at all.
        smallest: Height in pixels of the smallest plates.

    Returns:
        uint8 RGB [h, w, 3], h from `smallest` to 112.
    """
    if rng.random() >= strength:
        return image
    varied = reweigh(image, rng) if rng.random() < 0.3 else image
    if rng.random() < 0.3:
        varied = elastic(varied, rng)
    varied = _regeometry(varied, rng)
    if rng.random() < 0.4:
        varied = bend(varied, rng)
    if rng.random() < 0.15:
        varied = glare(varied, rng)
    varied = _shrink(varied, rng, smallest)
    varied = _blur(varied, rng)
    varied = _tone(varied, rng)
    if rng.random() < 0.75:
        varied = jpeg(varied, int(rng.integers(25, 96)))
    if rng.random() < 0.3:
        # Restored images reach the reader enlarged to the working size.
        varied = u8(cv2.resize(varied, (224, 112), interpolation=cv2.INTER_CUBIC))
    return varied


def photograph(
    image: ImageU8, rng: np.random.Generator, strength: float = 1.0, smallest: int = SMALLEST
) -> ImageU8:
    """One pool image as a camera, its codec and a cropper would have delivered it (arguments as for `vary`).

    `vary` draws every degradation by itself, so that one crop may have them all. Here their strengths share a
    limited sum: most crops have one or two strong ones and stay readable. Blur and halo act on linear light,
    before the exposure, so that over-exposed white strokes swell and close their counters as in photographs.
    Half of the crops are stretched to 94 x 24 pixels, most of them without the prefilter that keeps thin
    strokes.
    """
    if rng.random() >= strength:
        return image
    tilt, focus, light, grain, size, codec = np.minimum(
        rng.dirichlet(np.full(6, 0.5)) * rng.uniform(0.4, 1.7), 1
    )
    photo = reweigh(image, rng) if rng.random() < 0.3 else image
    if rng.random() < 0.4:
        photo = elastic(photo, rng)
    photo = _regeometry(photo, rng, float(tilt))
    if rng.random() < 0.2:
        photo = bend(photo, rng)
    if rng.random() < 0.3 * light:
        photo = glare(photo, rng)
    thumbnail = rng.random() < 0.5
    least = max(smallest, 20) if thumbnail else smallest
    height = round(60 * (least / 60) ** float(np.clip(rng.uniform(0, 0.6) + size, 0, 1)))
    width = int(np.clip(round(height * rng.uniform(2.2, 4.0)), round(3.7 * smallest), 160))
    photo = u8(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA))
    photo = expose(photo, rng, float(focus), float(light), float(grain))
    if rng.random() < 0.85:
        photo = jpeg(photo, int(np.clip(rng.normal(88 - 60 * codec, 6), 20, 97)))
    if thumbnail:
        kinds = (cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC)
        photo = u8(cv2.resize(photo, (94, 24), interpolation=kinds[rng.integers(4)]))
        if rng.random() < 0.7:
            photo = jpeg(photo, int(rng.integers(60, 97)))
    elif rng.random() < 0.4:
        # Restored images reach the reader enlarged to the working size.
        photo = u8(cv2.resize(photo, (224, 112), interpolation=cv2.INTER_CUBIC))
    return photo


def film(
    image: ImageU8,
    rng: np.random.Generator,
    strength: float = 1.0,
    smallest: int = SMALLEST,
    *,
    photographed: float,
    sharpened: float,
) -> ImageU8:
    """One pool image as video cameras deliver it: a share as `photograph` does, the others as `vary` does.

    Args:
        image: uint8 RGB [64, 160, 3].
        rng: Source of every draw.
        strength: Chance that anything is done at all.
        smallest: Height in pixels of the smallest plates.
        photographed: Share that `photograph` delivers.
        sharpened: Share that the camera sharpens until dark strokes have bright halos.

    Returns:
        uint8 RGB [h, w, 3].
    """
    crop = (photograph if rng.random() < photographed else vary)(image, rng, strength, smallest)
    if rng.random() < sharpened * strength:
        soft = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 1.3) * max(crop.shape[0] / 28, 0.6))
        amount = rng.uniform(0.4, 2.2)
        crop = jpeg(u8(cv2.addWeighted(crop, 1 + amount, soft, -amount, 0)), int(rng.integers(55, 98)))
    return crop


def empty_crop(pool: Pool, rng: np.random.Generator, deliver: Deliver = vary) -> ImageU8:
    """A crop without a plate to read: its text is empty.

    Flat colours, noise, textures of blobs, stripes and boxes, and plates cut so that no character is whole.

    Args:
        pool: Whose plates are cut, and whose colours serve.
        rng: Source of every draw.
        deliver: Makes the crop.

    Returns:
        uint8 RGB [h, w, 3].
    """
    kind = rng.random()
    if kind < 0.3:
        return deliver(_cut_off(pool.images[rng.integers(len(pool))], rng), rng, 1.0, SMALLEST)
    height = int(rng.integers(16, 65))
    width = int(height * rng.uniform(2.0, 4.2))
    colour = rng.uniform(0, 255, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(0, 255))
    image = np.full((height, width, 3), colour, np.float32)
    if kind < 0.45:
        image += rng.normal(0, rng.uniform(0, 3), image.shape)
    elif kind < 0.65:  # noise of any grain
        coarse = max(1, round(float(np.exp(rng.uniform(0, np.log(12))))))
        channels = 3 if rng.random() < 0.5 else 1
        shape = (max(1, height // coarse), max(1, width // coarse), channels)
        grain = cv2.resize(rng.normal(0, rng.uniform(5, 90), shape), (width, height))
        image += grain.reshape(height, width, channels)
    else:  # bumpers, grilles, walls: a gradient, stripes at any angle, boxes and discs
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
        along = (x * np.cos(angle) + y * np.sin(angle)) / height
        image += (along * rng.uniform(-60, 60))[..., None]
        if rng.random() < 0.6:
            wave = np.sin(along * rng.uniform(3, 60) + rng.uniform(0, 6))
            image += (np.clip(wave * rng.uniform(1, 6), -1, 1) * rng.uniform(0, 90))[..., None]
        for _ in range(int(rng.integers(0, 9))):
            tone = tuple(float(value) for value in rng.uniform(0, 255, 3))
            corner = (int(rng.integers(-5, width)), int(rng.integers(-5, height)))
            far = (corner[0] + int(rng.integers(1, width)), corner[1] + int(rng.integers(1, height)))
            thickness = int(rng.choice([-1, 1, 2, 4]))
            if rng.random() < 0.7:
                cv2.rectangle(image, corner, far, tone, thickness)
            else:
                cv2.circle(image, corner, int(rng.integers(1, height)), tone, thickness)
    return deliver(np.clip(image, 0, 255).astype(np.uint8), rng, 1.0, SMALLEST)


def _cut_off(image: ImageU8, rng: np.random.Generator) -> ImageU8:
    """A strip above or below the characters' middle, or a patch smaller than a character."""
    height, width = image.shape[:2]
    if rng.random() < 0.5:
        share = rng.uniform(0.1, 0.28)
        rows = round(height * share)
        strip = image[:rows] if rng.random() < 0.5 else image[-rows:]
        left = int(rng.integers(0, width // 2))
        part = strip[:, left : left + int(rng.integers(width // 4, width // 2 + 1))]
    else:
        rows, columns = int(rng.integers(6, 20)), int(rng.integers(6, 14))
        top, left = int(rng.integers(0, height - rows)), int(rng.integers(0, width - columns))
        part = image[top : top + rows, left : left + columns]
    return u8(cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR))


def _regeometry(image: ImageU8, rng: np.random.Generator, tilt: float | None = None) -> ImageU8:
    """Another crop of a plate seen from elsewhere.

    A plate seen from the side climbs and leans, and the upright box around it grows. Seen from above and one
    side, as from a walking person's hand, it does both the same way: rows that fall to the right lean to the
    left. `tilt`, a strength from 0 to 1, draws such views; without it climb and lean are independent.
    """
    height, width = image.shape[:2]
    # Where the corners of the new crop lie in the old one, as shares of its sides; negative margins show more
    # than was there.
    left, top, right, bottom = (_margin(rng) for _ in range(4))
    if tilt is None:
        slant = rng.normal(0, 0.32) * height / width if rng.random() < 0.6 else 0.0
        climb = float(np.clip(rng.normal(0, 0.32), -0.7, 0.7)) if rng.random() < 0.6 else 0.0
    else:
        if rng.random() < 0.6:  # a box close around the characters
            top, bottom = top + rng.uniform(0, 0.08), bottom + rng.uniform(0, 0.08)
            left, right = left + rng.uniform(0, 0.03), right + rng.uniform(0, 0.03)
        climb = float(np.clip(rng.normal(0, 0.15 + 0.5 * tilt), -0.7, 0.7))
        slant = (climb * rng.uniform(-0.2, 0.9) + rng.normal(0, 0.1 + 0.1 * tilt)) * height / width
    top, bottom = top - abs(climb) / 2, bottom - abs(climb) / 2
    corners = np.array(
        [
            [left + slant, top + climb / 2],
            [1 - right + slant, top - climb / 2],
            [1 - right - slant, 1 - bottom - climb / 2],
            [left - slant, 1 - bottom + climb / 2],
        ]
    )
    corners += rng.normal(0, [0.01, 0.025], (4, 2))
    source = (corners * [width, height]).astype(np.float32)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    border = cv2.BORDER_REFLECT_101 if rng.random() < 0.3 else cv2.BORDER_REPLICATE
    return u8(cv2.warpPerspective(image, matrix, (width, height), borderMode=border))


def _margin(rng: np.random.Generator) -> float:
    """A share of the crop's side: tight most of the time, sometimes a detector's loose box."""
    return float(rng.uniform(-0.12, 0.0) if rng.random() < 0.2 else rng.normal(0.0, 0.015))


def _shrink(image: ImageU8, rng: np.random.Generator, smallest: int) -> ImageU8:
    if rng.random() < 0.25:
        height, width = 24, 94  # the size in which public sets keep small crops
    else:
        height = round(float(np.exp(rng.uniform(np.log(smallest), np.log(48)))))
        width = int(np.clip(round(height * rng.uniform(2.2, 4.2)), round(3.7 * smallest), 160))
    interpolation = cv2.INTER_AREA if rng.random() < 0.7 else cv2.INTER_LINEAR
    return u8(cv2.resize(image, (width, height), interpolation=interpolation))


def _blur(image: ImageU8, rng: np.random.Generator) -> ImageU8:
    kind = rng.random()
    scale = image.shape[0] / 28
    if kind < 0.45:
        sigma = rng.uniform(0.3, 0.85) * scale
        return u8(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.2)))
    if kind < 0.55:
        length = max(2, round(rng.uniform(1.5, 3.5) * scale))
        kernel = np.full((1, length), 1 / length, np.float32)
        return u8(cv2.filter2D(image, -1, kernel if rng.random() < 0.7 else kernel.T))
    if kind < 0.65:  # cameras sharpen
        soft = cv2.GaussianBlur(image, (0, 0), max(scale, 0.3))
        return u8(cv2.addWeighted(image, 1 + 0.8, soft, -0.8, 0))
    return image


def _tone(image: ImageU8, rng: np.random.Generator) -> ImageU8:
    levels = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.35))
    # Night leaves a quarter of the light, over-exposure doubles it.
    exposure = rng.normal(0, 0.25) if rng.random() < 0.75 else rng.uniform(-1.3, 0.7)
    levels = levels * np.exp(exposure + rng.normal(0, 0.12, 3)) + rng.normal(0, 0.04)
    if rng.random() < 0.2:  # haze
        veil = rng.uniform(0, 0.5)
        levels = levels * (1 - veil) + veil * rng.uniform(0.3, 0.9)
    table = np.clip(levels * 255 + 0.5, 0, 255).astype(np.uint8)[None]
    toned = cv2.LUT(image, table)
    if rng.random() < 0.1:
        toned = cv2.cvtColor(cv2.cvtColor(toned, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.5:
        grain = rng.standard_normal(toned.shape, dtype=np.float32) * np.float32(rng.uniform(0, 10))
        toned = np.clip(toned + grain, 0, 255).astype(np.uint8)
    return u8(toned)
