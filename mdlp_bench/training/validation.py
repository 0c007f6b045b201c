"""Figures and pictures of samples a training never sees."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from mdlp_bench.data.decode import decode_batch
from mdlp_bench.data.samples import Samples
from mdlp_bench.errors import DataError
from mdlp_bench.files import seed_for, write_bytes
from mdlp_bench.images import encode
from mdlp_bench.methods.tensors import to_images, to_tensor
from mdlp_bench.metrics.fidelity import psnr
from mdlp_bench.training.config import TrainingConfig
from mdlp_bench.training.trainable import Trainable

_BATCH: Final = 16
_SHOWN: Final = 12


class Validation:
    """The first `validation_samples` samples, decoded once.

    Args:
        samples: Samples with frames and ground truth, none of them trained on.
        config: Says how many and how many frames.

    Raises:
        DataError: There are no samples, or one has no frames or no ground truth.
    """

    def __init__(self, samples: Samples, config: TrainingConfig) -> None:
        self.seed = config.seed
        columns = ["sample_id", "frames", "gt", "text"]
        record = next(samples.batches(config.validation_samples, columns), None)
        if record is None:
            raise DataError(f"{samples.name}: no samples to validate on; give others or none")
        decoded = decode_batch(record, config.frames)
        if not decoded.has_gt.all():
            raise DataError(f"{samples.name}: a validation sample has no ground truth")
        self.decoded = decoded

    def run(
        self, trainable: Trainable, network: nn.Module, picture: Path, device: torch.device
    ) -> dict[str, float]:
        """Restore, write the picture (rows of frames, restored, ground truth) and return the figures."""
        restored = np.concatenate(
            [
                self._restore(trainable, network, start, device)
                for start in range(0, len(self.decoded), _BATCH)
            ]
        )
        rows = [
            np.concatenate([*self.decoded.frames[i], restored[i], self.decoded.gt[i]], axis=1)
            for i in range(min(_SHOWN, len(restored)))
        ]
        write_bytes(picture, encode(np.concatenate(rows)[::2, ::2].copy()))
        return {"psnr": round(float(psnr(restored, self.decoded.gt).mean()), 3)}

    @torch.no_grad()
    def _restore(
        self, trainable: Trainable, network: nn.Module, start: int, device: torch.device
    ) -> np.ndarray:
        part = slice(start, start + _BATCH)
        seeds = [seed_for(self.seed, "restore", name) for name in self.decoded.sample_ids[part]]
        frames = to_tensor(self.decoded.frames[part], device)
        return to_images(trainable.restore(network, frames, seeds))
