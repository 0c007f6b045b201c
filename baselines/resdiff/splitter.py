"""ResDiff's frequency-domain information splitter: which frequencies the U-Net is shown.

Section "Frequency-Domain Information Splitter" of the ResDiff paper (arXiv 2303.08714).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualSqueeze(nn.Module):
    """Squeeze-and-excitation with a skip: x + x sigmoid(W2 relu(W1 mean(x))); Hu et al., CVPR 2018."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 2, bias=False),
            nn.ReLU(),
            nn.Linear(channels // 2, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the channels of `x` [B, C, H, W]."""
        result: Tensor = x + x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None]
        return result


class FrequencySplitter(nn.Module):
    """Turns (CNN prediction, noisy residual) into the five images the U-Net sees.

    With X the spectrum of the CNN prediction c, a Gaussian high-pass H = 1 - exp(-D^2 / (2 sigma^2)) whose
    width sigma is read off X, and n the noisy residual: n, c, n times a gain learned from the noise level, c
    times an attention on the filtered spectrum (low frequencies), |IFFT(H X)| (high frequencies).

    The release transforms over batch and channels too; here every sample is transformed alone, over
    channels, height and width, which is the same for a batch of one. D is measured on the release's grid
    (centred on an unshifted spectrum, in units of 1 / `image_size`), stretched to whatever the input's sides
    are; the gain, which the release learns for each of `image_size` columns, is interpolated to the input's
    width.

    Args:
        embedding: Channels of the noise-level embedding.
        image_size: Width in training; sets the number of gains and the unit of frequency.
        orthonormal: Divide the spectrum by the square root of its length. As released it is not divided, and
            its mean, thousands of times an image's values, drowns the U-Net's first maps until it has learnt
            to ignore them.
    """

    def __init__(self, embedding: int, image_size: int, *, orthonormal: bool = False) -> None:
        super().__init__()
        self.image_size = image_size
        self._norm = "ortho" if orthonormal else "backward"
        self.noise_func = nn.Linear(embedding, image_size)
        self.noise_resSE = ResidualSqueeze(3)
        self.sigma_resSE = ResidualSqueeze(6)
        self.HF_guided_resSE = ResidualSqueeze(6)
        self.channel_transform = nn.Conv2d(6, 3, 1)

    def forward(self, prediction: Tensor, noisy: Tensor, embedding: Tensor) -> Tensor:
        """Split.

        Args:
            prediction: CNN prediction [B, 3, H, W].
            noisy: Noisy residual [B, 3, H, W].
            embedding: Embedding of the noise level, [B, `embedding`].

        Returns:
            [B, 15, H, W]: noisy, prediction, denoised, low frequencies, high frequencies.
        """
        gain = self._column_gain(embedding, noisy.shape[3])
        spectrum = torch.fft.fftn(prediction, dim=(1, 2, 3), norm=self._norm)
        filtered = spectrum * self._high_pass(spectrum)
        guidance = self.HF_guided_resSE(torch.cat([filtered.real, filtered.imag], dim=1))
        low = prediction * self.channel_transform(guidance)
        high = torch.fft.ifftn(filtered, dim=(1, 2, 3), norm=self._norm).abs()
        return torch.cat([noisy, prediction, noisy * gain, low, high], dim=1)

    def _column_gain(self, embedding: Tensor, width: int) -> Tensor:
        """[B, 3, 1, width]."""
        gain = self.noise_func(embedding)[:, None, None].expand(-1, 3, 1, -1)
        gain = self.noise_resSE(gain)
        if width != self.image_size:
            gain = F.interpolate(gain, size=(1, width), mode="bilinear", align_corners=False)
        result: Tensor = gain
        return result

    def _high_pass(self, spectrum: Tensor) -> Tensor:
        """The filter, [B, 1, H, W]."""
        parts = torch.cat([spectrum.real, spectrum.imag], dim=1)
        sigma = self.sigma_resSE(parts).mean(dim=(1, 2, 3)).abs() + self.image_size / 2
        sigma = sigma.clamp(max=self.image_size - 10)[:, None, None, None]
        rows, columns = (
            (torch.arange(side, device=sigma.device) / side - 0.5) * self.image_size
            for side in spectrum.shape[2:]
        )
        squared_distance = rows[:, None] ** 2 + columns[None, :] ** 2
        return 1 - torch.exp(-squared_distance / (2 * sigma**2))
