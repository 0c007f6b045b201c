"""What the road does to a sheet (abrasion, dirt, rust, scratches) and what holds it (screws, a frame)."""

from __future__ import annotations

import cv2
import numpy as np

from mdlp_bench.synth.exact import gaussian
from mdlp_bench.synth.render.geometry import PLATE_HEIGHT, FaceGeometry
from mdlp_bench.synth.render.raster import Field, f32, fixed_point, planes, smooth_noise
from mdlp_bench.synth.render.style import Surface


def worn(ink: Field, wear: float, rng: np.random.Generator) -> Field:
    """Ink cover after abrasion: patches of a two-scale noise lose most of their ink."""
    if wear <= 0:
        return ink
    shape = (ink.shape[0], ink.shape[1])
    noise = (smooth_noise(rng, shape, 5) + smooth_noise(rng, shape, 24)) * np.float32(0.6)
    return ink * f32(1 - np.clip((noise - np.float32(1.5 - 2.2 * wear)) * 2, 0.0, 0.75))


def soil(image: Field, surface: Surface, geometry: FaceGeometry, rng: np.random.Generator) -> None:
    """Dirt, rust and scratches, in place, on a planar face."""
    shape = (image.shape[1], image.shape[2])
    if surface.dirt > 0:
        noise = smooth_noise(rng, shape, 4) * np.float32(0.18) + smooth_noise(rng, shape, 22) * np.float32(
            0.1
        )
        splash = np.linspace(-0.17, 0.17, shape[0], dtype=np.float32)[:, None]  # more of it at the bottom
        cover = np.clip(noise + splash + np.float32(surface.dirt - 0.1), 0.0, 0.85 * surface.dirt + 0.1)
        image += (planes(surface.dirt_colour) - image) * f32(cover)
    if surface.rust > 0:
        _rust(image, surface.rust, geometry, rng)
    unit = image.shape[1] / PLATE_HEIGHT
    for _ in range(surface.scratches):
        start = rng.uniform((0, 0), (shape[1], shape[0]))
        angle, length = rng.uniform(0, 2 * np.pi), rng.exponential(45.0) * unit
        ends = fixed_point([start, start + length * np.array([np.cos(angle), np.sin(angle)])])
        tone = float(rng.choice((0.25, 0.75)))
        thickness = max(1, round(rng.uniform(0.3, 1.2) * unit))
        _line(image, ends, (tone, tone, tone), thickness)


def _rust(image: Field, strength: float, geometry: FaceGeometry, rng: np.random.Generator) -> None:
    """Brown stains that run down from the mounting holes."""
    unit = image.shape[1] / PLATE_HEIGHT
    stain = np.zeros(image.shape[1:], np.float32)
    for x, y in geometry.holes:
        radius, run = rng.uniform(6, 14), rng.uniform(4, 30)
        if rng.random() > strength + 0.3:
            continue
        centre = (round(x * unit), round((y + run / 2) * unit))
        axes = (max(1, round(radius * unit)), max(1, round((radius + run / 2) * unit)))
        cv2.ellipse(stain, centre, axes, 0, 0, 360, 1.0, -1)
    stain = gaussian(stain, max(0.5, 4 * unit))
    patches = smooth_noise(rng, (image.shape[1], image.shape[2]), 20) * np.float32(0.5) + np.float32(0.7)
    stain *= np.clip(patches, 0, 1) * np.float32(strength)
    image += (planes((0.36, 0.18, 0.07)) - image) * stain


def fasten(image: Field, surface: Surface, geometry: FaceGeometry, rng: np.random.Generator) -> None:
    """Holes, screws and caps with a highlight and a shadow, in place."""
    unit = image.shape[1] / PLATE_HEIGHT
    metal = np.asarray(surface.fastener_colour)
    for kind, hole in zip(surface.fasteners, geometry.holes, strict=True):
        x, y = fixed_point((np.asarray(hole) + rng.uniform(-2.5, 2.5, 2)) * unit).tolist()
        slot = rng.uniform(0, np.pi)
        if kind == "none":
            continue
        if kind == "hole":
            axes = (round(7 * unit * 16), round(4 * unit * 16))
            for plane in image:
                cv2.ellipse(plane, (x, y), axes, 0, 0, 360, 0.05, -1, cv2.LINE_8, 4)
            continue
        radius = max(surface.fastener_size / 2 * unit, 0.8) * 16
        light = np.minimum(metal * 1.5, 1.0).tolist()
        _disc(image, (x, y + round(1.5 * unit * 16)), radius * 1.08, [0.06, 0.06, 0.06])
        _disc(image, (x, y), radius, metal.tolist())
        _disc(image, (round(x - radius * 0.25), round(y - radius * 0.3)), radius * 0.45, light)
        if kind == "screw":
            reach = np.array([np.cos(slot), np.sin(slot)]) * radius * 0.7
            ends = np.round([np.array([x, y]) - reach, np.array([x, y]) + reach]).astype(np.int32)
            _line(image, ends, (metal * 0.3).tolist(), max(1, round(2 * unit)))


def frame(image: Field, surface: Surface) -> None:
    """A plate frame over the sheet's edge, with a lighter inner lip, in place."""
    width = max(1, round(surface.frame * image.shape[1] / PLATE_HEIGHT))
    colour = planes(surface.frame_colour)
    image[:, :width] = image[:, -width:] = colour
    image[:, :, :width] = image[:, :, -width:] = colour
    far = (image.shape[2] - width, image.shape[1] - width)
    for plane, value in zip(image, surface.frame_colour, strict=True):
        cv2.rectangle(plane, (width - 1, width - 1), far, min(value * 1.4 + 0.05, 1.0), 1)


def _disc(image: Field, centre: tuple[int, int], radius: float, colour: list[float]) -> None:
    for plane, value in zip(image, colour, strict=True):
        cv2.circle(plane, centre, round(radius), value, -1, cv2.LINE_8, 4)


def _line(image: Field, ends: np.ndarray, colour: tuple[float, ...] | list[float], thickness: int) -> None:
    for plane, value in zip(image, colour, strict=True):
        cv2.line(plane, ends[0].tolist(), ends[1].tolist(), value, thickness, cv2.LINE_8, 4)
