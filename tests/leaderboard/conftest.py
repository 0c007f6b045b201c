"""A valid submission, and what to make faulty ones from."""

from __future__ import annotations

import io
import textwrap
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from mdlp_bench.data.samples import Samples
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.harness.predict import predict
from mdlp_bench.harness.scorers import FidelityScorer
from mdlp_bench.images import ImageU8, decode, encode
from mdlp_bench.leaderboard.submission.pack import pack
from mdlp_bench.methods import load_method
from mdlp_bench.metrics.protocol import to_working_size
from mdlp_bench.readers import Reader, ReaderDescriptor, Reading

FORM: dict[str, Any] = {
    "schema_version": 1,
    "method": "Sharp Net",
    "version": "1.0",
    "authors": ["A. Author", "B. Author"],
    "contact": "author@example.org",
    "paper_url": "https://example.org/paper",
    "code_url": None,
    "license": "MIT",
    "training_data": ["MDLP train"],
    "uses_synthetic": False,
    "extra_data": False,
    "frames_used": 3,
    "n_parameters": 1000,
    "deterministic": True,
    "seed": None,
    "hardware": "2 CPU threads",
    "runtime_per_image_s": 0.25,
    "device": "cpu",
    "claimed": {"psnr": 20.0, "ned": 0.4},
    "bibtex": "@misc{sharp, title={Sharp {N}et}}",
    "test_set_not_trained_on": True,
}


class TintReader(Reader):
    """Reads a plate whose digits are the image's coarse colours: similar images, similar texts."""

    descriptor = ReaderDescriptor(
        name="tint", title="Tint", version="1", weights_sha256="0" * 64, licence="none"
    )

    def read(self, images: Sequence[ImageU8]) -> list[Reading]:
        found = []
        for image in images:
            cells = cv2.resize(image, (5, 1), interpolation=cv2.INTER_AREA)[0].mean(axis=1)
            found.append(Reading("京A" + "".join(str(int(c) // 26) for c in cells), (0.9,) * 7))
        return found

    def features(self, images: Sequence[ImageU8]) -> np.ndarray:
        return np.stack([image.mean(axis=(0, 1)) for image in images]).astype(np.float32)


@pytest.fixture(scope="session")
def complete_form() -> dict[str, Any]:
    """The form of a valid submission, not to be changed."""
    return FORM


@pytest.fixture(scope="session")
def tint() -> Reader:
    """The reader of these tests."""
    return TintReader()


@pytest.fixture
def plan() -> ScoringPlan:
    return ScoringPlan((TintReader(),), (FidelityScorer(),), {"lpips": "its weights are not here"})


@pytest.fixture
def readable(make_samples: Callable[..., Samples]) -> Callable[..., Samples]:
    """A function that makes samples whose text is what `TintReader` reads in their ground truth."""
    from conftest import sample_row

    def make(n: int = 8, name: str = "tiny") -> Samples:
        rows = []
        for number in range(n):
            row = sample_row(number)
            image = to_working_size(decode(row["gt"]["bytes"], "gt"))
            rows.append(
                row | {"text": TintReader().read([image])[0].text, "plate_id": f"plate-{number // 2}"}
            )
        return make_samples(rows=rows, name=name)

    return make


@pytest.fixture(scope="session")
def first_frame_reader(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A method that gives text alone: what `TintReader` reads in the first frame."""
    path = tmp_path_factory.mktemp("reader") / "first_frame.py"
    path.write_text(
        textwrap.dedent(
            """
            import cv2
            from mdlp_bench.methods import MethodDescriptor, TextMethod
            from mdlp_bench.readers import Reading

            class FirstFrame(TextMethod):
                descriptor = MethodDescriptor(name="first-frame", title="First frame", output="text")

                def read_batch(self, batch):
                    found = []
                    for (first, *_) in batch.native:
                        cells = cv2.resize(first, (5, 1), interpolation=cv2.INTER_AREA)[0].mean(axis=1)
                        found.append(Reading("京A" + "".join(str(int(c) // 26) for c in cells), (0.99,) * 7))
                    return found
            """
        ),
        encoding="utf-8",
    )
    return f"{path}:FirstFrame"


@pytest.fixture
def form() -> dict[str, Any]:
    """The form of a valid submission, to be changed."""
    return {key: list(value) if isinstance(value, list) else value for key, value in FORM.items()}


@pytest.fixture
def submit(tmp_path: Path) -> Callable[..., Path]:
    """A function that predicts with a method and packs the result as a submission."""

    def make(samples: Samples, spec: str = "bicubic", /, **changes: Any) -> Path:
        fields = FORM | {"method": f"Method {Path(spec).stem}", "claimed": {}} | changes
        folder = (
            tmp_path / "made" / f"{fields['method']}-{fields['version']}-{samples.name.replace('/', '-')}"
        )
        method = load_method(spec)
        fields["output"] = method.descriptor.output
        predict(method, samples, folder / "p")
        path = folder / "submission.yaml"
        path.write_text(yaml.safe_dump(fields, allow_unicode=True), encoding="utf-8")
        pack(folder / "p", path, folder / "s.zip")
        return folder / "s.zip"

    return make


def picture(seed: int = 0) -> bytes:
    """A sound PNG of the working size."""
    coarse = np.random.default_rng(seed).integers(0, 256, (14, 28, 3), dtype=np.uint8)
    return encode(np.asarray(cv2.resize(coarse, (224, 112)), np.uint8))


@pytest.fixture
def zip_of() -> Callable[..., bytes]:
    """A function that makes the bytes of an archive: form, n pictures s0000..., and extra members."""

    def make(
        n: int = 2, form: dict[str, Any] | bytes | None = None, **extra: bytes | tuple[zipfile.ZipInfo, bytes]
    ) -> bytes:
        content = form if isinstance(form, bytes) else yaml.safe_dump(FORM | (form or {})).encode()
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("submission.yaml", content)
            for number in range(n):
                archive.writestr(f"predictions/s{number:04d}.png", picture(number))
            for name, member in extra.items():
                if isinstance(member, tuple):
                    archive.writestr(*member)
                else:
                    archive.writestr(name, member)
        return stream.getvalue()

    return make
