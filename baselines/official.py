"""Official checkpoints of a user as methods: a file of Real-ESRGAN, HAT, LPDGAN or LP-Diff, two of ResShift.

None of them is distributed here. The line `x2plus = real_esrgan(Path("RealESRGAN_x2plus.pth"))` in a file of
yours makes `that_file.py:x2plus` a method of every command.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from baselines.hat import load_hat
from baselines.hat_method import CITATION as HAT_CITATION
from baselines.lp_diff.checkpoint import load_released
from baselines.lp_diff.method import CITATION as LP_DIFF_CITATION
from baselines.lpdgan.network import load_generator as load_lpdgan
from baselines.lpdgan.training import CITATION as LPDGAN_CITATION
from baselines.real_esrgan.method import CITATION as REAL_ESRGAN_CITATION
from baselines.real_esrgan.networks import load_generator
from baselines.resshift.autoencoder import AutoencoderConfig, load_autoencoder
from baselines.resshift.chain import REALSR_4, REALSR_15, ResShiftChain
from baselines.resshift.training import CITATION as RESSHIFT_CITATION
from baselines.resshift.unet import REALSR_X4, ResShiftUNetConfig, load_unet
from baselines.single_image import POLICY_WORDS, FramePolicy, in_unit_range, single_image_view
from baselines.spandrel_models import LoadedNetwork
from mdlp_bench.files import sha256_file, slugify
from mdlp_bench.methods import MOST_FRAMES, MethodDescriptor
from mdlp_bench.methods.network import NetworkMethod
from mdlp_bench.metrics.cost import count_parameters
from mdlp_bench.metrics.protocol import WORKING_SIZE


def real_esrgan(path: Path, frame: FramePolicy = "last") -> NetworkMethod:
    """An official `.pth` file of Real-ESRGAN, RRDBNet or SRVGGNetCompact, of any enlargement.

    Args:
        path: The checkpoint; `params_ema` is preferred over `params`.
        frame: Which of the first five frames, or their mean.

    Raises:
        MissingWeightsError: There is no such file.
        MethodError: It is a checkpoint of neither network.
    """
    return _enlarging(load_generator(path), path, frame, "BSD-3-Clause", REAL_ESRGAN_CITATION)


def hat(path: Path, frame: FramePolicy = "last") -> NetworkMethod:
    """An official `.pth` file of HAT, any size and enlargement; arguments and errors as in `real_esrgan`."""
    return _enlarging(load_hat(path), path, frame, "Apache-2.0", HAT_CITATION)


def resshift(
    unet: Path,
    autoencoder: Path,
    *,
    steps: Literal[4, 15] = 4,
    frame: FramePolicy = "last",
    config: ResShiftUNetConfig = REALSR_X4,
    autoencoder_config: AutoencoderConfig | None = None,
) -> NetworkMethod:
    """The official latent ResShift: the plate is enlarged bicubically, encoded, restored and decoded.

    The official windows need latents whose sides are multiples of 64, so plates go in at 64 x 128 pixels and
    come out at 256 x 512, which is brought to the working size.

    Args:
        unet: `resshift_realsrx4_s4_v3.pth` or another U-Net's checkpoint.
        autoencoder: `autoencoder_vq_f4.pth`.
        steps: Length of the chain that the U-Net was trained for.
        frame: Which of the first five frames, or their mean.
        config: The U-Net's shape; the released real-world x4 model by default.
        autoencoder_config: The autoencoder's shape; the official f4 model by default.

    Raises:
        MissingWeightsError: A file is not there.
        MethodError: The weights are not of these configurations.
    """
    network, coder = load_unet(unet, config), load_autoencoder(autoencoder, autoencoder_config)
    chain = ResShiftChain({4: REALSR_4, 15: REALSR_15}[steps])
    multiple = network.size_multiple
    height = -(-WORKING_SIZE[0] // (4 * multiple)) * multiple

    def restore(_: nn.Module, images: Tensor, seeds: Sequence[int]) -> Tensor:
        enlarged = F.interpolate(images, scale_factor=coder.factor, mode="bicubic").clamp(-1, 1)
        return coder.decode(chain.sample(network, coder.encode(enlarged), images, seeds))

    descriptor = _descriptor(
        unet,
        frame,
        licence="S-Lab 1.0 (non-commercial)",
        citation=RESSHIFT_CITATION,
        parameters=count_parameters(network) + count_parameters(coder),
        deterministic=False,
    )
    view = single_image_view(frame, (height, 2 * height))
    return NetworkMethod(
        descriptor, nn.ModuleDict({"unet": network, "autoencoder": coder}), restore, view=view
    )


def lpdgan(path: Path, frame: FramePolicy = "last") -> NetworkMethod:
    """A generator that LPDGAN's code saved, `<epoch>_net_G.pth`; arguments and errors as in `real_esrgan`."""
    network = load_lpdgan(path)
    descriptor = _descriptor(
        path,
        frame,
        licence="none stated",
        citation=LPDGAN_CITATION,
        parameters=count_parameters(network),
        deterministic=True,
    )
    return NetworkMethod(descriptor, network, view=single_image_view(frame, WORKING_SIZE))


def lp_diff(path: Path, *, steps: int = 8, norm_groups: int = 32) -> NetworkMethod:
    """A generator that LP-Diff's code saved, `I<iter>_E<epoch>_gen.pth`; errors as in `real_esrgan`.

    Args:
        path: The checkpoint.
        steps: Sampling steps, of as many as the network was trained for.
        norm_groups: Groups of the U-Net's group norms, as in the configuration it was trained with.
    """
    network = load_released(path, norm_groups)
    descriptor = MethodDescriptor(
        name=slugify(path.stem),
        title=f"{path.stem} (official)",
        frames_used=network.config.n_frames,
        parameters=count_parameters(network),
        weights_sha256=sha256_file(path),
        licence="none stated",
        citation=LP_DIFF_CITATION,
        provenance="official",
        deterministic=False,
    )

    def restore(_: nn.Module, frames: Tensor, seeds: Sequence[int]) -> Tensor:
        return network.sample(frames, seeds, steps=steps)

    return NetworkMethod(descriptor, network, restore)


def _enlarging(
    loaded: LoadedNetwork, path: Path, frame: FramePolicy, licence: str, citation: str
) -> NetworkMethod:
    descriptor = _descriptor(
        path, frame, licence=licence, citation=citation, parameters=loaded.parameters, deterministic=True
    )
    # Rounded up where the enlargement does not divide the working size, to which the result is brought.
    height, width = (-(-side // loaded.scale) for side in WORKING_SIZE)
    size = (height, width)
    return NetworkMethod(descriptor, loaded.network, in_unit_range(size), view=single_image_view(frame, size))


def _descriptor(
    path: Path, frame: FramePolicy, *, licence: str, citation: str, parameters: int, deterministic: bool
) -> MethodDescriptor:
    return MethodDescriptor(
        name=slugify(path.stem),
        title=f"{path.stem} (official)",
        frames_used=1 if frame == "last" else MOST_FRAMES,
        frame_policy=POLICY_WORDS[frame],
        parameters=parameters,
        weights_sha256=sha256_file(path),
        licence=licence,
        citation=citation,
        provenance="official",
        deterministic=deterministic,
    )
