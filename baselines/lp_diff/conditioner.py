"""The conditioning network: degraded frames to psi, a first estimate of the ground truth (figure 2, left)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from baselines.lp_diff.dfm import fusion
from baselines.lp_diff.encoder import Decoder, Encoder
from baselines.lp_diff.icam import ICAM, PairConv
from baselines.lp_diff.tem import TEM

if TYPE_CHECKING:
    from baselines.lp_diff.config import LPDiffConfig


class Conditioner(nn.Module):
    """Encoder, ICAM and TEM for every consecutive pair of frames, DFM over the pairs, decoder.

        F(m) = TEM(ICAM_m(E(f_m), E(f_{m+1}))),  m = 1 ... N - 1;     psi = D(DFM(F(1), ..., F(N - 1)))

    N = 3 is the paper's. A single frame makes a pair with itself; one pair needs no fusion. Ablations: `icam`
    off puts `PairConv` in its place, `tem` off leaves the features as they are, `dfm` off takes plain means.
    """

    def __init__(self, config: LPDiffConfig) -> None:
        super().__init__()
        channels = config.widths[-1]
        pairs = max(1, config.n_frames - 1)
        self.encoder = Encoder(config.widths, dfm=config.dfm)
        self.pairs = nn.ModuleList(
            ICAM(channels, dfm=config.dfm) if config.icam else PairConv(channels) for _ in range(pairs)
        )
        self.tem = TEM() if config.tem else nn.Identity()
        self.fuse = fusion(channels, pairs, dfm=config.dfm) if pairs > 1 else None
        self.decoder = Decoder(config.widths, dfm=config.dfm)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames [B, N, 3, H, W] in [-1, 1] to psi [B, 3, H, W], unbounded."""
        batch, count = frames.shape[:2]
        features = self.encoder(frames.flatten(0, 1)).unflatten(0, (batch, count))
        later = features[:, min(1, count - 1) :].unbind(1)
        fused = [pair(a, b) for pair, a, b in zip(self.pairs, features.unbind(1), later, strict=False)]
        if self.fuse is None:
            features = self.tem(fused[0])
        else:
            features = self.fuse(self.tem(torch.cat(fused)).chunk(len(fused)))
        psi: Tensor = self.decoder(features)
        return psi
