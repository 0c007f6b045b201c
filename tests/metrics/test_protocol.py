from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from mdlp_bench.errors import DataError, ProtocolError
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.protocol import (
    CURRENT,
    MDLP_V1,
    MDLP_V2,
    MDLP_V3,
    Protocol,
    protocol_named,
    to_working_size,
)


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_fingerprint_depends_on_every_rule_and_nothing_else() -> None:
    assert MDLP_V1.fingerprint() == Protocol(id="mdlp-v1").fingerprint()
    assert len(MDLP_V1.fingerprint()) == 64
    changed = [
        MDLP_V1.model_copy(update={"lpips_net": "squeeze"}),
        MDLP_V1.model_copy(update={"psnr_cap_db": 99.0}),
        MDLP_V1.model_copy(update={"text": MDLP_V1.text.model_copy(update={"reader": "other"})}),
    ]
    assert len({p.fingerprint() for p in [MDLP_V1, *changed]}) == 4


def test_fingerprints_are_settled() -> None:
    # Published runs carry them: a change of the rules needs a new id, not a new value here.
    assert MDLP_V1.fingerprint() == "f217714ffee37ad3048ffe06302bc7485e31e66a9a48abd2c25c5b43ae96a2cf"
    assert MDLP_V2.fingerprint() == "83cfb23cd95c312690a677a189359636f29076ee0bea3c445ff5d939002687b9"
    assert MDLP_V3.fingerprint() == "e3d97278b8d8c7d5fb5a9dda49eeedbd7d76385d3715a04346f6908a6574e6b3"


def test_protocols_are_found_by_id_and_differ_in_what_later_ones_change() -> None:
    for protocol in (MDLP_V1, MDLP_V2, MDLP_V3):
        assert protocol_named(protocol.id) is protocol
    assert CURRENT is MDLP_V3
    assert [one.text.reader for one in (MDLP_V1, MDLP_V2, MDLP_V3)] == ["crnn", "crnn-2", "crnn-3"]
    second = MDLP_V2.model_dump() | {"id": "mdlp-v3"}
    second["text"] |= {"reader": "crnn-3", "hallucinated": "any grammar"}
    assert MDLP_V3.model_dump() == second
    assert (MDLP_V1.resize, MDLP_V1.ssim, MDLP_V1.psnr_cap_db) == (
        MDLP_V2.resize,
        MDLP_V2.ssim,
        MDLP_V2.psnr_cap_db,
    )
    with pytest.raises(ProtocolError, match=r"no protocol 'mdlp-v9'.*; there are: mdlp-v1, mdlp-v2, mdlp-v3"):
        protocol_named("mdlp-v9")


def test_protocol_survives_json_and_refuses_unknown_rules() -> None:
    assert Protocol.model_validate_json(MDLP_V1.model_dump_json()) == MDLP_V1
    with pytest.raises(ValidationError, match="gamma"):
        Protocol.model_validate({"id": "x", "gamma": 2.2})
    with pytest.raises(ValidationError, match="frozen"):
        MDLP_V1.psnr_cap_db = 50.0  # type: ignore[misc]


def test_cap_touches_identical_images_only() -> None:
    smallest = 1.0 / (112 * 224 * 3)
    assert 10 * np.log10(255.0**2 / smallest) < MDLP_V1.psnr_cap_db


@pytest.mark.parametrize("size", [(112, 224), (24, 94), (448, 896), (99, 238), (300, 50), (1, 1)])
def test_every_size_becomes_the_working_size(size: tuple[int, int]) -> None:
    result = to_working_size(image(*size))
    assert result.shape == (112, 224, 3)
    assert result.dtype == np.uint8


def test_enlarging_is_bicubic_and_shrinking_averages() -> None:
    small, large = image(24, 94), image(448, 896)
    np.testing.assert_array_equal(
        to_working_size(small), cv2.resize(small, (224, 112), interpolation=cv2.INTER_CUBIC)
    )
    means = large.reshape(112, 4, 224, 4, 3).mean(axis=(1, 3))
    assert np.abs(to_working_size(large) - means).max() <= 0.5 + 1e-9


def test_axes_are_treated_by_themselves() -> None:
    mixed = image(56, 448)
    halved = cv2.resize(mixed, (224, 56), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(
        to_working_size(mixed), cv2.resize(halved, (224, 112), interpolation=cv2.INTER_CUBIC)
    )


def test_fine_stripes_do_not_alias() -> None:
    stripes = np.zeros((448, 896, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(to_working_size(stripes)) <= 1


def test_an_image_of_the_size_is_returned_as_it_is() -> None:
    same = image(112, 224)
    assert to_working_size(same) is same


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
        "image",
    ],
)
def test_what_is_no_image_is_refused(wrong: object) -> None:
    with pytest.raises(DataError):
        to_working_size(wrong)  # type: ignore[arg-type]


def test_metric_table_is_consistent() -> None:
    for name, info in METRICS.items():
        assert info.name == name
        assert info.level == "sample" or info.worst is None
        if info.worst is not None and info.best is not None:
            assert (info.best > info.worst) == info.higher_is_better


def test_light_modules_start_without_torch() -> None:
    names = (
        "base",
        "protocol",
        "fidelity",
        "text",
        "distribution",
        "registered",
        "weights",
    )
    imports = "; ".join(f"import mdlp_bench.metrics.{name}" for name in names)
    check = "assert not {'torch', 'matplotlib', 'datasets'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"import sys; {imports}; {check}"], check=True)
