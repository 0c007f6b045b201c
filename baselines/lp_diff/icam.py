"""ICAM: cross attention between consecutive frames (Gong et al., CVPR 2025, figure 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.lp_diff.dfm import DFM


def tokens(maps: Tensor) -> Tensor:
    """[B, C, H, W] as [B, H W, C]; a view for channels-last maps."""
    return maps.flatten(2).transpose(1, 2)


class ICAM(nn.Module):
    """Align the features of an earlier frame with the places of the later frame.

        Q = W_q f_later,   K, V = W_k f_earlier, W_v f_earlier
        F = Linear(softmax(Q' K'^T / sqrt(C)) V + Q) + f_earlier,   (Q', K') = 2 w * (Q, K),  w = DFM weights

    The DFM decides place by place and channel by channel how much each of Q and K counts; the factor 2 leaves
    them as they are where the weights are even. Query and key projections start equal and orthogonal, so that
    the attention starts as a search for the most similar place.

    Args:
        channels: C.
        dfm: Filter Q and K (without it they stay as they are: ablation exp4).
    """

    def __init__(self, channels: int, *, dfm: bool) -> None:
        super().__init__()
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self.filter = DFM(channels, 2) if dfm else None
        nn.init.orthogonal_(self.query.weight)
        with torch.no_grad():
            self.key.weight.copy_(self.query.weight)
        nn.init.zeros_(self.query.bias)
        nn.init.zeros_(self.key.bias)

    def forward(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Fuse features [B, C, H, W] of two frames; same shape."""
        query, filtered, key, source = self._project(earlier, later)
        attended = F.scaled_dot_product_attention(filtered, key, self.value(source))
        fused = self.out(attended + query)
        result: Tensor = earlier + fused.transpose(1, 2).view_as(earlier)
        return result

    def attention(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Where each place of the later frame looks in the earlier one: [B, H W, H W], rows sum to one."""
        _, filtered, key, _ = self._project(earlier, later)
        scores: Tensor = filtered @ key.transpose(1, 2) * filtered.shape[-1] ** -0.5
        return scores.softmax(-1)

    def _project(self, earlier: Tensor, later: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        source = tokens(earlier)
        query = self.query(tokens(later))
        key = self.key(source)
        if self.filter is None:
            return query, query, key, source
        maps = [x.transpose(1, 2).unflatten(2, earlier.shape[2:]) for x in (query, key)]
        filtered = [2 * w * x for w, x in zip(self.filter.weights(maps), maps, strict=True)]
        return query, tokens(filtered[0]), tokens(filtered[1]), source


class PairConv(nn.Module):
    """Replaces ICAM where it is switched off (ablation exp2): fuses the two frames place by place.

        F = Conv1x1([f_earlier, f_later]) + f_earlier

    Same inputs, output and skip, but a place sees only the same place of the other frame.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Fuse features [B, C, H, W] of two frames; same shape."""
        fused: Tensor = earlier + self.mix(torch.cat([earlier, later], 1))
        return fused
