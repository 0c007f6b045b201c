"""Degradation operators: pure functions with parameter models, and the one table that names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mdlp_bench.errors import DataError
from mdlp_bench.synth.degrade.operators import blur, compression, enhance, light, sampling, sensor, weather
from mdlp_bench.synth.degrade.operators.base import ImageF32, Operator, Params, Sizes, to_float, to_uint8
from mdlp_bench.userfiles import Registry

__all__ = ["OPERATORS", "ImageF32", "Operator", "Params", "Sizes", "to_float", "to_uint8"]

OPERATORS: Final[Mapping[str, Operator]] = Registry(
    "operator",
    "mdlp_bench.operators",
    {
        "bayer_sensor": Operator(sensor.BayerSensorParams, sensor.bayer_sensor, noise="frame"),
        "block_codec": Operator(compression.BlockCodecParams, compression.block_codec),
        "chroma_subsampling": Operator(compression.ChromaSubsamplingParams, compression.chroma_subsampling),
        "colour_cast": Operator(light.ColourCastParams, light.colour_cast),
        "defocus_blur": Operator(blur.DefocusBlurParams, blur.defocus_blur),
        "denoise": Operator(enhance.DenoiseParams, enhance.denoise),
        "exposure": Operator(light.ExposureParams, light.exposure),
        "fog": Operator(weather.FogParams, weather.fog, noise="scene"),
        "gamma": Operator(light.GammaParams, light.gamma),
        "gaussian_blur": Operator(blur.GaussianBlurParams, blur.gaussian_blur),
        "gaussian_noise": Operator(sensor.GaussianNoiseParams, sensor.gaussian_noise, noise="frame"),
        "generalized_gaussian_blur": Operator(blur.ShapedBlurParams, blur.generalized_gaussian_blur),
        "glare": Operator(light.GlareParams, light.glare),
        "jpeg": Operator(compression.JpegParams, compression.jpeg),
        "motion_blur": Operator(blur.MotionBlurParams, blur.motion_blur),
        "night": Operator(light.NightParams, light.night),
        "plateau_blur": Operator(blur.ShapedBlurParams, blur.plateau_blur),
        "poisson_noise": Operator(sensor.PoissonNoiseParams, sensor.poisson_noise, noise="frame"),
        "rain": Operator(weather.RainParams, weather.rain, noise="frame"),
        "resize": Operator(
            sampling.ResizeParams,
            sampling.resize,
            resolve=sampling.resolve_resize,
            size_after=sampling.resize_size,
        ),
        "saturation": Operator(light.SaturationParams, light.saturation),
        "shadow": Operator(light.ShadowParams, light.shadow),
        "sharpen": Operator(enhance.SharpenParams, enhance.sharpen),
        "shifted_nearest": Operator(
            sampling.ShiftedNearestParams, sampling.shifted_nearest, size_after=sampling.shifted_nearest_size
        ),
        "sinc_blur": Operator(blur.SincBlurParams, blur.sinc_blur),
        "tone": Operator(light.ToneParams, light.tone),
        "view": Operator(sampling.ViewParams, sampling.view),
    },
    Operator,
    DataError,
)
"""Every operator by the name recipes use; also those of other packages and `file.py:NAME`."""
