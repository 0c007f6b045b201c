"""The same restored pictures under other people's rules: how far the numbers move.

Rendered plates, degraded by the `surveillance` recipe, enlarged bicubically; only the rule differs.

    python benchmarks/protocol_traps.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from mdlp_bench.data import open_samples
from mdlp_bench.images import ImageU8
from mdlp_bench.metrics.fidelity import psnr, ssim
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe

PLATES = 100
SIZE = (112, 224)


def grey(images: np.ndarray) -> np.ndarray:
    return np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images])


def pooled_psnr(restored: np.ndarray, gt: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(restored.astype(float) - gt).mean()))


def mean_ssim(restored: np.ndarray, gt: np.ndarray, **rule: object) -> float:
    return float(np.mean([structural_similarity(a, b, **rule) for a, b in zip(restored, gt, strict=True)]))


def by_pillow(image: ImageU8, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))


def by_torch(image: ImageU8) -> np.ndarray:
    planes = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
    grown = torch.nn.functional.interpolate(planes, SIZE, mode="bicubic", align_corners=False)
    return grown[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()


def by_opencv_bilinear(image: ImageU8) -> np.ndarray:
    return cv2.resize(image, SIZE[::-1], interpolation=cv2.INTER_LINEAR)


def shrunk(image: ImageU8, rule: int) -> np.ndarray:
    return cv2.resize(image, (56, 28), interpolation=rule)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        synthesise_rendered(load_recipe("surveillance"), PLATES, data, seed=2025, only="test")
        samples = list(open_samples(data))
    frames = [sample.decode_frames()[-1] for sample in samples]
    gt = np.stack([to_working_size(sample.decode_gt()) for sample in samples])
    restored = np.stack([to_working_size(frame) for frame in frames])

    print(f"{PLATES} plates, bicubic enlargement of the third frame\n")
    print("| rule | value |\n|---|---|")
    print(f"| **PSNR, mean over images** | **{psnr(restored, gt).mean():.2f} dB** |")
    print(f"| PSNR of the pooled MSE | {pooled_psnr(restored, gt):.2f} dB |")
    luma = [pooled_psnr(a, b) for a, b in zip(grey(restored), grey(gt), strict=True)]
    print(f"| PSNR of the luma, mean over images | {np.mean(luma):.2f} dB |")
    print(f"| **SSIM, Gaussian 11, mean of R, G, B** | **{ssim(restored, gt).mean():.3f}** |")
    print(f"| SSIM, uniform 7 x 7 (scikit-image's default) | {mean_ssim(restored, gt, channel_axis=2):.3f} |")
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    print(f"| SSIM, Gaussian 11, grey | {mean_ssim(grey(restored), grey(gt), **gaussian):.3f} |")

    print("\n| enlarging frames of about 41 x 19 | mean difference | largest | PSNR |\n|---|---|---|---|")
    others: dict[str, Callable[[ImageU8], np.ndarray]] = {
        "**OpenCV `INTER_CUBIC`**": to_working_size,
        "Pillow `BICUBIC`": by_pillow,
        "PyTorch `bicubic`": by_torch,
        "OpenCV `INTER_LINEAR`": by_opencv_bilinear,
    }
    for name, enlarge in others.items():
        other = np.stack([enlarge(frame) for frame in frames])
        gap = np.abs(other.astype(int) - restored)
        print(f"| {name} | {gap.mean():.2f} | {gap.max()} | {psnr(other, gt).mean():.2f} dB |")

    area = np.stack([shrunk(image, cv2.INTER_AREA) for image in gt]).astype(int)
    others = {
        "OpenCV `INTER_CUBIC` (aliases)": lambda image: shrunk(image, cv2.INTER_CUBIC),
        "Pillow `BICUBIC` (filters first)": lambda image: by_pillow(image, (28, 56)),
    }
    print("\n| shrinking to 56 x 28, against `INTER_AREA` | mean difference | largest |\n|---|---|---|")
    for name, shrink in others.items():
        gap = np.abs(np.stack([shrink(image) for image in gt]) - area)
        print(f"| {name} | {gap.mean():.1f} | {gap.max()} |")


if __name__ == "__main__":
    main()
