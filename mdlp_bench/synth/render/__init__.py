"""Render Chinese licence plates to the proportions of GA 36-2018, and Brazil's.

The stable interface:

    text = sample_text(rng, layout, "uniform")                # or "ccpd": nearly all 皖A
    style = sample_style(rng, layout)                         # a frozen, JSON-able PlateStyle
    face = render_plate(text, layout, style, height=140)      # uint8 RGB, frontal and rectified
    crop = render_scene_crop(text, layout, style)             # .image 112 x 224 from the road, and .corners
    for sample in render_samples(seed, n):                    # .text .layout .style .image .corners
        ...

Every picture is a function of its arguments. Sample `index` of stream `seed` is a function of those two
numbers and the distribution, whatever the number of workers and the order: `render_sample(seed, index)`.
"""

from mdlp_bench.synth.render.face import face_size, render_plate
from mdlp_bench.synth.render.geometry import FaceGeometry, face_geometry
from mdlp_bench.synth.render.samples import (
    DEFAULT_LAYOUTS,
    RenderedSample,
    plate_of,
    render_sample,
    render_samples,
)
from mdlp_bench.synth.render.scene import SceneCrop, render_scene_crop, view_corners
from mdlp_bench.synth.render.style import (
    Appearance,
    Light,
    Paint,
    PlateStyle,
    Surface,
    Viewpoint,
    sample_style,
)
from mdlp_bench.synth.render.text import Provinces, sample_text

__all__ = [
    "DEFAULT_LAYOUTS",
    "Appearance",
    "FaceGeometry",
    "Light",
    "Paint",
    "PlateStyle",
    "Provinces",
    "RenderedSample",
    "SceneCrop",
    "Surface",
    "Viewpoint",
    "face_geometry",
    "face_size",
    "plate_of",
    "render_plate",
    "render_sample",
    "render_samples",
    "render_scene_crop",
    "sample_style",
    "sample_text",
    "view_corners",
]
