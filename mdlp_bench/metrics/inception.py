"""Inception v3 features for FID and KID, with torchvision's weights.

The original FID uses a TensorFlow network of 2015 with other weights and another resize: values from these
features compare methods with each other, but not with the FID columns of papers; tables say so.
"""

from __future__ import annotations

import pickle
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mdlp_bench.device import whole_fp32
from mdlp_bench.metrics.fidelity import Images, check_images
from mdlp_bench.metrics.weights import BACKBONES, backbone_file, damaged, refuse_not_finite

DIMENSIONS: Final = 2048
_SIDE: Final = 299
_BATCH: Final = 16


class InceptionFeatures:
    """The pooled features before the classifier of torchvision's Inception v3 (ImageNet).

    Attributes:
        weights_sha256: Of the weight file.
    """

    def __init__(self, device: str | torch.device = "cpu", *, download: bool = True) -> None:
        """Load the network.

        Args:
            device: Where to compute.
            download: Fetch the weights (104 MB) when torch hub's cache does not have them.

        Raises:
            MissingWeightsError: The weights are not there and cannot, or must not, be downloaded.
        """
        from torchvision.models import inception_v3

        path, self.weights_sha256 = backbone_file(BACKBONES["inception"], download=download)
        network: Any = inception_v3(weights=None, init_weights=False, transform_input=False)
        try:
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise damaged(path, error) from error
        refuse_not_finite(network, path)
        network.fc = torch.nn.Identity()
        self.device = torch.device(device)
        self._network = network.eval().to(self.device, memory_format=torch.channels_last)

    @torch.inference_mode()
    @whole_fp32()
    def __call__(self, images: Images) -> NDArray[np.float32]:
        """Features of images, uint8 [B, H, W, 3] (stretched to 299 x 299, bilinear, antialiased).

        Returns:
            float32 [B, 2048].

        Raises:
            DataError: Not a uint8 batch of RGB images.
        """
        check_images(images, "the images")
        features = np.empty((len(images), DIMENSIONS), np.float32)
        for start in range(0, len(images), _BATCH):
            pixels = torch.from_numpy(np.ascontiguousarray(images[start : start + _BATCH])).to(self.device)
            resized = functional.interpolate(
                pixels.permute(0, 3, 1, 2).float(), (_SIDE, _SIDE), mode="bilinear", antialias=True
            )
            # The weights were trained on the range [-1, 1], without ImageNet's normalisation.
            scaled = resized / 127.5 - 1.0
            outputs = self._network(scaled.contiguous(memory_format=torch.channels_last))
            features[start : start + _BATCH] = outputs.cpu().numpy()
        return features
