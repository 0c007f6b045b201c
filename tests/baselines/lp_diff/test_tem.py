"""TEM measures what its equation says: the curvature of level lines, and where edges are strong."""

from __future__ import annotations

import math

import pytest
import torch

from baselines.lp_diff.released import ReleasedTEM
from baselines.lp_diff.tem import TEM, curvature


def _grid(size: int, dx: float, dy: float) -> tuple[torch.Tensor, torch.Tensor]:
    axis = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return axis[None, :] - dx, axis[:, None] - dy


def _edge(distance: torch.Tensor, width: float) -> torch.Tensor:
    """A step across distance 0, blurred by a Gaussian of `width` pixels: dark inside, bright outside."""
    return torch.erf(distance / (width * math.sqrt(2)))


@pytest.mark.parametrize("radius", [8, 11, 16, 25])
@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (0.31, -0.17)])
def test_curvature_of_a_circle_is_one_over_its_radius_at_every_angle(
    radius: float, dx: float, dy: float
) -> None:
    x, y = _grid(72, dx, dy)
    rho = (x**2 + y**2).sqrt()
    image = _edge(rho - radius, 3.0)
    measured = curvature(image[None, None])[0, 0]
    ring = (rho - radius).abs() < 1
    # Every pixel lies on a level line of its own radius.
    torch.testing.assert_close(measured[ring], 1 / rho[ring], rtol=0.05, atol=0)
    octant = ((torch.atan2(*torch.broadcast_tensors(y, x)) + math.pi) / (math.pi / 4)).long() % 8
    for number in range(8):
        at = ring & (octant == number)
        assert measured[at].mean().item() == pytest.approx(1 / rho[at].mean().item(), rel=0.05)
    torch.testing.assert_close(curvature(-image[None, None])[0, 0], -measured)


@pytest.mark.parametrize("degrees", [0, 15, 30, 45, 60, 75, 90, 120, 135, 170])
@pytest.mark.parametrize("width", [0.5, 1.0, 3.0])
def test_curvature_of_a_straight_edge_is_zero_at_any_angle(degrees: float, width: float) -> None:
    x, y = _grid(48, 0.2, 0.4)
    angle = math.radians(degrees)
    distance = x * math.cos(angle) + y * math.sin(angle)
    measured = curvature(_edge(distance, width)[None, None])[0, 0]
    on_edge = distance.abs() < 1
    inside = torch.zeros_like(on_edge)
    inside[4:-4, 4:-4] = True
    # A hard edge has pixel steps; their bends cancel along the edge.
    assert measured[on_edge & inside].mean().abs() < 0.003
    if width >= 1:
        assert measured[on_edge & inside].abs().max() < 0.02


def test_a_pixel_step_bends_no_tighter_than_a_pixel() -> None:
    noise = torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    assert curvature(noise).abs().max() <= 1
    assert curvature(torch.zeros(1, 1, 8, 8)).abs().max() == 0


def test_curvature_does_not_depend_on_contrast() -> None:
    x, y = _grid(48, 0.0, 0.0)
    image = _edge((x**2 + y**2).sqrt() - 12, 2.0)[None, None]
    ring = ((x**2 + y**2).sqrt() - 12).abs() < 1
    strong, weak = curvature(image)[0, 0], curvature(0.2 * image)[0, 0]
    torch.testing.assert_close(weak[ring], strong[ring], rtol=0.02, atol=0)


def test_gate_lies_between_one_and_two_and_is_largest_on_edges() -> None:
    x, y = _grid(24, 0.0, 0.0)
    image = _edge((x**2 + y**2).sqrt() - 7, 1.0)[None, None] + 3
    gate = (TEM()(image) / image)[0, 0]
    assert gate.min() >= 1
    assert (gate - 1).sum() == pytest.approx(1)
    rho = (x**2 + y**2).sqrt()
    assert (rho.flatten()[gate.flatten().topk(20).indices] - 7).abs().max() < 1.5


def test_the_released_curvature_of_a_diagonal_edge_is_not_zero() -> None:
    """The defect that `described` repairs: seen through the gate's logits, which differ only by curvature."""
    x, y = _grid(32, 0.0, 0.0)
    straight = _edge((x + y) / math.sqrt(2), 1.0)[None, None].float()
    other = _edge((x - y) / math.sqrt(2), 1.0)[None, None].float()
    both = torch.cat([straight, torch.zeros_like(straight)], 1)
    mirrored = torch.cat([other, torch.zeros_like(other)], 1)
    # The gate of the first channel against a flat one is a sigmoid of GM + Cur - sqrt(eps).
    for image in (both, mirrored):
        gate = ReleasedTEM()(image)[0, 0, 8:-8, 8:-8] / image[0, 0, 8:-8, 8:-8] - 1
        bright = image[0, 0, 8:-8, 8:-8] > 0.2
        gx = torch.nn.functional.conv2d(image[:, :1], _SOBEL[None, None], padding=1)
        gy = torch.nn.functional.conv2d(image[:, :1], _SOBEL.T[None, None], padding=1)
        magnitude = (gx**2 + gy**2 + 1e-6).sqrt()[0, 0, 8:-8, 8:-8]
        bend = torch.logit(gate.double()) - magnitude + 1e-3
        near = bright & (image[0, 0, 8:-8, 8:-8] < 0.9)
        assert bend[near].abs().max() > 0.05


_SOBEL = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
