"""Degrade a ground truth into encoded frames, and make the same bytes again from recorded parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from mdlp_bench.errors import DataError
from mdlp_bench.images import ImageU8, check_rgb, encode
from mdlp_bench.schema import Sample
from mdlp_bench.synth.degrade.operators import OPERATORS, ImageF32, to_float, to_uint8
from mdlp_bench.synth.degrade.operators.compression import JpegParams, encode_jpeg
from mdlp_bench.synth.degrade.plan import PARAMETERS_VERSION, draw_finish, draw_parameters
from mdlp_bench.synth.degrade.recipe import Recipe

# The generator that operators without randomness get and do not use.
_UNUSED: Final = np.random.default_rng(0)


@dataclass(frozen=True, slots=True)
class DegradedTriplet:
    """The degraded frames of a sample (three unless asked otherwise).

    Attributes:
        frames: Encoded JPEG or PNG files, in order of time, at native low resolution.
        parameters: Everything that was drawn, JSON-able (see `plan.draw_parameters`).
    """

    frames: list[bytes]
    parameters: dict[str, Any]


def degrade_triplet(
    gt: ImageU8, recipe: Recipe, *, seed: int, sample_id: str, n_frames: int = 3
) -> DegradedTriplet:
    """Degrade a ground truth into consecutive frames of one scene.

    Args:
        gt: uint8 RGB [H, W, 3], the decoded ground truth as it is stored.
        recipe: The recipe.
        seed: The data set's seed.
        sample_id: The sample; together with `seed` it fixes every random number.
        n_frames: How many frames, at least 1.

    Raises:
        DataError: `gt` is not a uint8 RGB image, or as in `plan.draw_parameters`.
    """
    parameters = draw_parameters(recipe, seed=seed, sample_id=sample_id, n_frames=n_frames)
    return DegradedTriplet(replay_frames(gt, parameters), parameters)


def finish(gt: ImageU8, recipe: Recipe, *, seed: int, sample_id: str) -> ImageU8:
    """Make a rendered plate look like the ground truths of the recipe's data set (see `recipe.Plates`).

    Args:
        gt: uint8 RGB [H, W, 3].
        recipe: The recipe; without steps to finish with, `gt` itself is returned.
        seed: The data set's seed.
        sample_id: The sample; together with `seed` it fixes every random number.

    Raises:
        DataError: As in `plan.draw_finish`.
    """
    steps = draw_finish(recipe, seed=seed, sample_id=sample_id, size=(gt.shape[0], gt.shape[1]))
    return to_uint8(_applied(to_float(gt), steps)) if steps else gt


def replay_frames(gt: ImageU8, parameters: Mapping[str, Any]) -> list[bytes]:
    """Apply recorded parameters to the ground truth: the same frames, byte for byte.

    (JPEG bytes also depend on the JPEG library inside OpenCV: keep its version to keep them.)

    Raises:
        DataError: `gt` is not a uint8 RGB image, or the parameters are of another version or damaged.
    """
    name = f"sample {parameters.get('sample_id', '?')}"
    check_rgb(gt, name)
    if parameters.get("parameters_version") != PARAMETERS_VERSION:
        raise DataError(
            f"{name}: degradation parameters of version {parameters.get('parameters_version')!r}; "
            f"this release reads version {PARAMETERS_VERSION}"
        )
    image = to_float(gt)
    try:
        return [_frame(image, frame) for frame in parameters["frames"]]
    except (KeyError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{name}: damaged degradation parameters ({reason})") from error


def replay(sample: Sample) -> list[bytes]:
    """The frames of a synthetic sample, regenerated from its `gt` and `degradation`.

    Raises:
        DataError: The sample has no ground truth or no degradation record, or as in `replay_frames`.
    """
    name = f"sample {sample.sample_id}"
    gt = sample.decode_gt()
    if gt is None:
        raise DataError(f"{name}: no ground truth to degrade")
    if not sample.degradation:
        raise DataError(f"{name}: not a synthetic sample (its degradation column is empty)")
    try:
        parameters = json.loads(sample.degradation)
    except ValueError as error:
        raise DataError(f"{name}: the degradation column is not JSON ({error})") from error
    if not isinstance(parameters, dict):
        raise DataError(f"{name}: the degradation column is not a JSON object")
    return replay_frames(gt, parameters)


def _frame(image: ImageF32, frame: Mapping[str, Any]) -> bytes:
    image = _applied(image, frame["steps"])
    output = frame["output"]
    if output["format"] == "png":
        return encode(to_uint8(image), "png")
    return encode_jpeg(image, JpegParams(quality=output["quality"], subsampling=output["subsampling"]))


def _applied(image: ImageF32, steps: Sequence[Mapping[str, Any]]) -> ImageF32:
    for step in steps:
        operator = OPERATORS[step["op"]]
        rng = _UNUSED if operator.noise == "none" else np.random.default_rng(step["seed"])
        image = operator.apply(image, operator.params.model_validate(step["params"]), rng)
    return image
