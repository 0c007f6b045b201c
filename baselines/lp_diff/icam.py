"""ICAM: cross attention between consecutive frames (Gong et al., CVPR 2025, figure 2)."""

from __future__ import annotations

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.lp_diff.dfm import DFM


def _tokens(maps: Tensor) -> Tensor:
    """[B, C, H, W] as [B, H W, C]; a view for channels-last maps."""
    return maps.flatten(2).transpose(1, 2)


class ICAM(nn.Module):
    """Bring what an earlier frame shows to the places of the later frame.

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
        source = _tokens(earlier)
        query = self.query(_tokens(later))
        key = self.key(source)
        if self.filter is None:
            return query, query, key, source
        maps = [x.transpose(1, 2).unflatten(2, earlier.shape[2:]) for x in (query, key)]
        filtered = [2 * w * x for w, x in zip(self.filter.weights(maps), maps, strict=True)]
        return query, _tokens(filtered[0]), _tokens(filtered[1]), source


class PairConv(nn.Module):
    """Stands in for ICAM where it is switched off (ablation exp2): fuses the two frames place by place.

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


class ReleasedCrossAttention(nn.Module):
    """ICAM as released: an ordinary 8-head attention layer with post-norm and a feed-forward part.

    Departs from the description: no DFM on Q and K, the same layer serves both pairs, and the caller adds the
    query frame as the skip.
    """

    heads = 8

    def __init__(self, channels: int = 64, hidden: int = 256) -> None:
        super().__init__()
        self.q_linear = nn.Linear(channels, channels)
        self.k_linear = nn.Linear(channels, channels)
        self.v_linear = nn.Linear(channels, channels)
        self.out_linear = nn.Linear(channels, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Attend from `later` to `earlier`, both [B, C, H, W]; same shape."""
        source = _tokens(earlier)
        query = self.q_linear(_tokens(later))
        parts = [
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (query, self.k_linear(source), self.v_linear(source))
        ]
        # Spelt out: the fused CPU kernel rounds twenty times more coarsely against the released numbers.
        scores = (parts[0] @ parts[1].transpose(2, 3) / sqrt(parts[0].shape[-1])).softmax(-1)
        attended = (scores @ parts[2]).transpose(1, 2).flatten(2)
        hidden = self.norm1(self.out_linear(attended) + query)
        hidden = self.norm2(self.fc2(F.relu(self.fc1(hidden))) + hidden)
        result: Tensor = hidden.transpose(1, 2).view_as(later)
        return result
