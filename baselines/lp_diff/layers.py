"""Small layers the parts share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Activate(nn.Module):
    """SiLU, in place where no gradient needs its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; same shape."""
        return F.silu(x, inplace=not x.requires_grad)
