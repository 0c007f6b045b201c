"""The vector-quantised autoencoder (f4) whose latent codes the official ResShift models restore.

Esser, Rombach, Ommer: "Taming Transformers for High-Resolution Image Synthesis", CVPR 2021 (arXiv
2012.09841); Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022 (arXiv
2112.10752): the model VQ-f4 with 8192 codes of 3 numbers. Written from the papers; key names are the official
checkpoint's (`autoencoder_vq_f4.pth`, not distributed here).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.sr3 import Upsample, attend
from mdlp_bench.errors import MethodError
from mdlp_bench.frozen import Frozen
from mdlp_bench.methods.weights import load_exactly, read_state_dict

_GROUPS = 32


class AutoencoderConfig(Frozen):
    """Shape of the autoencoder; defaults are the official f4 model (55.3 M).

    Attributes:
        ch: Channels of the first level.
        ch_mult: Width of each level over `ch`; every level but the last halves the sides.
        num_res_blocks: Residual blocks per level of the encoder; the decoder has one more.
        z_channels: Channels of a latent code.
        embed_dim: Length of a codebook entry.
        n_embed: Codebook entries.
    """

    ch: int = Field(default=128, ge=_GROUPS, multiple_of=_GROUPS)
    ch_mult: tuple[int, ...] = Field(default=(1, 2, 4), min_length=1)
    num_res_blocks: int = Field(default=2, ge=1)
    z_channels: int = Field(default=3, ge=1)
    embed_dim: int = Field(default=3, ge=1)
    n_embed: int = Field(default=8192, ge=1)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(_GROUPS, channels, eps=1e-6)


class _ResidualBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.norm1 = _norm(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2 = _norm(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        if channels_in != channels_out:
            self.nin_shortcut = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        result: Tensor = h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)
        return result


class _Attention(nn.Module):
    """Single-head attention over all positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        result: Tensor = x + self.proj_out(attend(self.q(h), self.k(h), self.v(h)))
        return result


class _Halve(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        # The official network pads below and to the right only.
        result: Tensor = self.conv(F.pad(x, (0, 1, 0, 1)))
        return result


def _middle(channels: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "block_1": _ResidualBlock(channels, channels),
            "attn_1": _Attention(channels),
            "block_2": _ResidualBlock(channels, channels),
        }
    )


class _Level(nn.Module):
    """Residual blocks, and what resamples after them (under the name the checkpoint has for it)."""

    def __init__(self, channels_in: int, channels_out: int, blocks: int) -> None:
        super().__init__()
        widths = [channels_in, *[channels_out] * blocks]
        self.block = nn.ModuleList(_ResidualBlock(widths[i], widths[i + 1]) for i in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        for name, layer in self.named_children():
            if name != "block":
                x = layer(x)
        return x


class _Codebook(nn.Module):
    def __init__(self, entries: int, length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(entries, length)


class Encoder(nn.Module):
    """Images [B, 3, H, W] to latents [B, z_channels, H / f, W / f]."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.ch * mult for mult in config.ch_mult]
        self.conv_in = nn.Conv2d(3, config.ch, 3, padding=1)
        self.down = nn.ModuleList()
        for index, (channels_in, channels_out) in enumerate(zip([config.ch, *widths], widths, strict=False)):
            level = _Level(channels_in, channels_out, config.num_res_blocks)
            if index < len(widths) - 1:
                level.add_module("downsample", _Halve(channels_out))
            self.down.append(level)
        self.mid = _middle(widths[-1])
        self.norm_out = _norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], config.z_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode."""
        h = self.conv_in(x)
        for level in self.down:
            h = level(h)
        for layer in self.mid.values():
            h = layer(h)
        result: Tensor = self.conv_out(F.silu(self.norm_out(h)))
        return result


class Decoder(nn.Module):
    """Latents [B, z_channels, h, w] to images [B, 3, f h, f w]."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.ch * mult for mult in config.ch_mult]
        self.conv_in = nn.Conv2d(config.z_channels, widths[-1], 3, padding=1)
        self.mid = _middle(widths[-1])
        # Stored from the finest level to the coarsest, run the other way round.
        self.up = nn.ModuleList()
        for index, (channels_out, channels_in) in enumerate(
            zip(widths, [*widths[1:], widths[-1]], strict=True)
        ):
            level = _Level(channels_in, channels_out, config.num_res_blocks + 1)
            if index > 0:
                level.add_module("upsample", Upsample(channels_out))
            self.up.append(level)
        self.norm_out = _norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Decode."""
        h = self.conv_in(z)
        for layer in self.mid.values():
            h = layer(h)
        for level in reversed(self.up):
            h = level(h)
        result: Tensor = self.conv_out(F.silu(self.norm_out(h)))
        return result


class VqAutoencoder(nn.Module):
    """Encoder, codebook and decoder.

    Args:
        config: Its shape; the official f4 model by default.
    """

    def __init__(self, config: AutoencoderConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or AutoencoderConfig()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantize = _Codebook(config.n_embed, config.embed_dim)
        self.quant_conv = nn.Conv2d(config.z_channels, config.embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(config.embed_dim, config.z_channels, 1)

    @property
    def factor(self) -> int:
        """How much smaller the sides of a latent are than the image's."""
        multiple: int = 2 ** (len(self.config.ch_mult) - 1)
        return multiple

    def encode(self, image: Tensor) -> Tensor:
        """Images [B, 3, H, W] in -1..1 to latents [B, embed_dim, H / factor, W / factor], not quantised.

        Raises:
            MethodError: Height or width is not a multiple of `factor`.
        """
        if image.ndim != 4 or image.shape[2] % self.factor or image.shape[3] % self.factor:
            raise MethodError(
                f"autoencoder: input {list(image.shape)}, height and width must be multiples of {self.factor}"
            )
        result: Tensor = self.quant_conv(self.encoder(image))
        return result

    def nearest_codes(self, latent: Tensor) -> Tensor:
        """Replace every vector of [B, embed_dim, h, w] by the codebook entry nearest to it (equation 2)."""
        codebook = self.quantize.embedding.weight
        vectors = latent.permute(0, 2, 3, 1)
        # |z - e|^2 up to |z|^2, which is the same for every entry.
        distance = codebook.square().sum(1) - 2 * vectors @ codebook.T
        return codebook[distance.argmin(-1)].permute(0, 3, 1, 2)

    def decode(self, latent: Tensor) -> Tensor:
        """Latents [B, embed_dim, h, w] to images [B, 3, factor h, factor w], about -1..1, unclipped."""
        result: Tensor = self.decoder(self.post_quant_conv(self.nearest_codes(latent)))
        return result


def load_autoencoder(path: Path, config: AutoencoderConfig | None = None) -> VqAutoencoder:
    """Load the official autoencoder's checkpoint, in evaluation mode.

    The losses it was trained with, which some copies hold under `loss.`, are left out.

    Raises:
        MissingWeightsError: There is no such file.
        MethodError: The weights are not of this configuration.
    """
    network = VqAutoencoder(config)
    state = {key: value for key, value in read_state_dict(path).items() if not key.startswith("loss.")}
    load_exactly(network, state, str(path))
    return network.eval()
