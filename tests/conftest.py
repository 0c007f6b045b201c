"""Fixtures every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real images and parity vectors beside the checkout; skips where there is none."""
    if not (_SHARED / "real").is_dir():
        pytest.skip(f"no real data: {_SHARED / 'real'} is not there")
    return _SHARED
