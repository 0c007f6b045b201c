"""One camera and one car: where the plate is, how large and how fast its image moves, moment by moment.

A pinhole camera looks down a road; a plate 0.44 m wide starts `distance` metres away, `lateral` metres beside
and `below` metres under the optical axis, and approaches at `speed`. With z(t) = distance - speed t its image
is proportional to 1 / z, and a point at (X, Y) metres off the axis moves by f (X, Y) speed / z^2 pixels per
second: growth, displacement and motion blur all follow from the same few numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from mdlp_bench.frozen import Frozen
from mdlp_bench.synth.degrade.draws import Draw, as_draw

PLATE_WIDTH_M: Final = 0.44
# A car that would pass the camera stops at this fraction of its first distance.
_NEAREST: Final = 0.1

DrawField = Annotated[Draw, BeforeValidator(as_draw)]


def _constant(value: float) -> Draw:
    return Draw(value=value)


class Camera(Frozen):
    """The draws of the camera, the road and the cropping.

    Attributes:
        canvas: (height, width) at which the scene is composed before down-sampling.
        width: Stored width of the first frame, pixels.
        aspect: Stored width / height.
        distance: First distance, m.
        speed: Speed of approach, km/h.
        interval: Time between frames, s.
        exposure: Exposure time, s.
        lateral, below: Distance of the plate from the optical axis, m.
        vibration: Amplitude of the camera's shaking, frame pixels (image speed: amplitude per interval).
        crop_shift_x, crop_shift_y: Where the detector put the crop, fractions of its size.
        crop_zoom: Size of the plate in the crop relative to the ground truth.
        roll: Degrees between ground truth and frame.
        shear: Shear between ground truth and frame.
        crop_stretch: Further scale of the height of the plate in the crop; None leaves it.
        surround: Grey level, 0 to 1, of the area around the plate where the crop is wider than the ground
            truth; None repeats the ground truth's edge.
    """

    canvas: tuple[Annotated[int, Field(ge=32, le=1024)], Annotated[int, Field(ge=32, le=2048)]] = (112, 224)
    width: DrawField
    aspect: DrawField = Field(default_factory=lambda: _constant(2.0))
    distance: DrawField = Field(default_factory=lambda: _constant(30.0))
    speed: DrawField = Field(default_factory=lambda: _constant(0.0))
    interval: DrawField = Field(default_factory=lambda: _constant(0.04))
    exposure: DrawField = Field(default_factory=lambda: _constant(0.01))
    lateral: DrawField = Field(default_factory=lambda: _constant(0.0))
    below: DrawField = Field(default_factory=lambda: _constant(0.0))
    vibration: DrawField = Field(default_factory=lambda: _constant(0.0))
    crop_shift_x: DrawField = Field(default_factory=lambda: _constant(0.0))
    crop_shift_y: DrawField = Field(default_factory=lambda: _constant(0.0))
    crop_zoom: DrawField = Field(default_factory=lambda: _constant(1.0))
    roll: DrawField = Field(default_factory=lambda: _constant(0.0))
    shear: DrawField = Field(default_factory=lambda: _constant(0.0))
    crop_stretch: DrawField | None = None
    surround: DrawField | None = None


@dataclass(frozen=True, slots=True)
class MomentState:
    """The camera at the moment of one frame.

    Attributes:
        height, width: Size at which the frame is stored.
        pixel: Canvas pixels per frame pixel (horizontally).
        motion_length: Motion of the image during the exposure, canvas pixels.
        motion_angle: Its direction, radians.
        view: Parameters of the `view` operator.
    """

    height: int
    width: int
    pixel: float
    motion_length: float
    motion_angle: float
    view: dict[str, Any]


def moment(camera: Camera, index: int, scene: Mapping[str, float], now: Mapping[str, float]) -> MomentState:
    """The state at frame `index`.

    Args:
        camera: The camera.
        index: 0 for the first frame.
        scene: Values drawn for the first frame: `width`, `aspect`, `distance`, `speed`, `interval`, `lateral`
            and `below` are taken from here, because a car has one path.
        now: Values of this frame: `exposure`, the crop, `roll`, `shear`, and `crop_stretch` and `surround`
            where the camera has them; `shake_x` and `shake_y` are the shaking in units of its amplitude.
    """
    first = scene["distance"]
    speed = scene["speed"] / 3.6
    distance = max(_NEAREST * first, first - speed * scene["interval"] * index)
    exact_width = scene["width"] * first / distance
    width = max(8, round(exact_width))
    height = max(4, round(exact_width / scene["aspect"]))
    pixel = camera.canvas[1] / exact_width
    # f (X, Y) v / z^2 with f = exact_width z / plate width, in frame pixels per second.
    rate = exact_width / PLATE_WIDTH_M * speed / distance
    shake = scene["vibration"] / scene["interval"]
    dx = (rate * scene["lateral"] + shake * now["shake_x"]) * now["exposure"]
    dy = (rate * scene["below"] + shake * now["shake_y"]) * now["exposure"]
    view = {
        "height": camera.canvas[0],
        "width": camera.canvas[1],
        "shift_x": now["crop_shift_x"],
        "shift_y": now["crop_shift_y"],
        "zoom": now["crop_zoom"],
        "roll": now["roll"],
        "shear": now["shear"],
    }
    view |= {name.removeprefix("crop_"): now[name] for name in ("crop_stretch", "surround") if name in now}
    return MomentState(height, width, pixel, math.hypot(dx, dy) * pixel, math.atan2(dy, dx), view)
