"""Kernels of registered pairs: motion and further blur that turn the sharp plate into the blurred one.

    python benchmarks/motion_kernels.py FOLDER 60

FOLDER holds `blur/` and `sharp/` with pictures of equal names. For each of the first pairs it finds the
kernel (uniform motion, then a Gaussian) with the smallest squared error on luma; gain, offset and
displacement are free. The recipe `motion@2` draws from what is found.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from mdlp_bench.images import decode
from mdlp_bench.quality.statistics import luminance
from mdlp_bench.synth.degrade.operators.kernels import gaussian_kernel, motion_kernel

LENGTHS = (0, 2, 4, 6, 8, 11, 14, 18, 22, 27, 33, 40, 48)
ANGLES = tuple(np.deg2rad(np.arange(-90, 90, 15)))
SIGMAS = (0.5, 1.0, 2.0, 3.0, 4.5)
SIZE = (112, 224)
WINDOW = cv2.createHanningWindow(SIZE[::-1], cv2.CV_32F)


def transfer(length: float, angle: float, sigma: float) -> np.ndarray:
    """The kernel's transfer function, [112, 113]; its centre is at the origin."""
    plane = np.zeros(SIZE, np.float32)
    plane[SIZE[0] // 2, SIZE[1] // 2] = 1
    plane = cv2.filter2D(plane, -1, motion_kernel(length, angle))
    plane = cv2.filter2D(plane, -1, gaussian_kernel(2 * int(3 * sigma) + 1, sigma, sigma))
    return np.asarray(np.fft.rfft2(np.fft.ifftshift(plane)), np.complex64)


def spectrum(path: Path) -> np.ndarray:
    """Spectrum of the windowed luma without its mean."""
    luma = cv2.resize(luminance(decode(path.read_bytes(), path.name)), SIZE[::-1])
    return np.asarray(np.fft.rfft2((luma - luma.mean()) * WINDOW), np.complex64)


def main() -> None:
    """Print quantiles of the kernels found, and the share of the blurred plate's variance they explain."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    grid = [(0.0, 0.0, s) for s in SIGMAS]
    grid += [(length, a, s) for length in LENGTHS[1:] for a in ANGLES for s in SIGMAS]
    kernels = [transfer(*one) for one in grid]
    found, explained = [], []
    for blurred in sorted((folder / "blur").iterdir())[:count]:
        sharp, wanted = spectrum(folder / "sharp" / blurred.name), spectrum(blurred)
        power = float((np.abs(wanted) ** 2).sum())
        scores = []
        for kernel in kernels:
            made = sharp * kernel
            # Displacement between the two is free: the peak of their cross-correlation.
            cross = np.fft.irfft2(np.conj(made) * wanted, SIZE).max() * SIZE[0] * SIZE[1]
            energy = float(np.fft.irfft2(np.abs(made) ** 2, SIZE)[0, 0]) * SIZE[0] * SIZE[1]
            scores.append(cross**2 / max(energy, 1e-9))
        best = int(np.argmax(scores))
        whole = float(np.fft.irfft2(np.abs(wanted) ** 2, SIZE)[0, 0]) * SIZE[0] * SIZE[1]
        explained.append(scores[best] / max(whole, power * 1e-9))
        found.append(grid[best])
    lengths, angles, sigmas = np.array(found).T
    levels = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)
    print("pairs", len(found), "explained (median)", round(float(np.median(explained)), 3))
    print("length quantiles", levels, np.round(np.quantile(lengths, levels), 1))
    print("sigma quantiles", np.round(np.quantile(sigmas, levels), 2))
    moved = angles[lengths > 3]
    degrees, shares = np.unique(np.round(np.rad2deg(moved)), return_counts=True)
    print("angles", dict(zip(degrees.tolist(), (shares / max(len(moved), 1)).round(2).tolist(), strict=True)))


if __name__ == "__main__":
    main()
