"""What the documents' commands work on: every placeholder, made small when it is first mentioned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import mdlp_bench as mb
from baselines.real_esrgan.networks import CompactConfig, build_compact
from mdlp_bench.data import open_samples
from mdlp_bench.data.export import EXPORTS
from mdlp_bench.data.sources.ccpd import CcpdName, indices_of
from mdlp_bench.harness.bench import bench
from mdlp_bench.harness.plan import ScoringPlan
from mdlp_bench.images import encode
from mdlp_bench.plate import LATIN_LAYOUTS
from mdlp_bench.synth.build import synthesise_rendered
from mdlp_bench.synth.degrade import load_recipe
from mdlp_bench.synth.render import Appearance, render_samples, render_scene_crop

PLATES = 12
PLATES_MDLP = 9
"""Too few for the classifier of `gap study`, whose trainings take minutes; tests/cli/test_gap.py has it."""
METHOD = '''"""The mean of the frames."""
import mdlp_bench as mb


@mb.method(frames=3, title="Mean of three")
def restore(frames):
    return frames.mean(axis=1).astype("uint8")
'''


class World:
    """A folder of placeholders, each made once and copied to where a document wants it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.makers: dict[str, Callable[[Path], None]] = {
            "DATA": self._data,
            "VAL": self._data,
            "MDLP": lambda path: self._exported("mdlp", path),
            "CCPD2019": _ccpd,
            "TRACKS": _tracks,
            "LRLPR": _lrlpr,
            "UFPR": _ufpr,
            "parts": self._parts,
            "out": self._bench,
            "demo": self._bench,
            "my_method.py": lambda path: _write(path, METHOD),
            "their_method.py": lambda path: _write(path, METHOD),
            "restored_pngs": self._pngs,
            "RealESRGAN_x2plus.pth": _compact_network,
        }

    def provide(self, name: str, folder: Path) -> None:
        """Put the placeholder into a folder."""
        made = self.folder / name
        if not made.exists():
            self.makers[name](made)
        if made.is_dir():
            shutil.copytree(made, folder / name)
        else:
            shutil.copy(made, folder / name)

    def _data(self, path: Path, plates: int = PLATES) -> None:
        synthesise_rendered(
            load_recipe("surveillance"), plates, path, seed=3, ratios={"train": 0.4, "val": 0.3, "test": 0.3}
        )

    def _parts(self, path: Path) -> None:
        self._data(path / "017")
        self._data(path / "018")

    def _exported(self, layout: str, path: Path) -> None:
        self._data(path.with_name("of-mdlp"), PLATES_MDLP)
        EXPORTS[layout].write(open_samples(path.with_name("of-mdlp")), path)

    def _bench(self, path: Path) -> None:
        self._data(path / "data")
        samples = open_samples(path / "data", split="test")
        bench(["bicubic"], samples, path, ScoringPlan.from_names(lpips="none"))

    def _pngs(self, path: Path) -> None:
        self._data(path.with_name("of-pngs"))
        path.mkdir()
        samples = open_samples(path.with_name("of-pngs"))
        for sample_id in samples.sample_ids:
            (path / f"{sample_id}.png").write_bytes(encode(np.full((112, 224, 3), 99, np.uint8)))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _compact_network(path: Path) -> None:
    network = build_compact(CompactConfig(num_feat=4, num_conv=1, upscale=2))
    torch.save({"params_ema": network.state_dict()}, path)


def _tracks(path: Path) -> None:
    """Three cars that come nearer, with labels."""
    labels = ["group,text"]
    for sample in render_samples(5, 3, appearance=Appearance(difficulty=0.1)):
        name = f"car-{sample.index}"
        labels.append(f"{name},{sample.text}")
        crop = render_scene_crop(sample.text, sample.layout, sample.style, size=(112, 224)).image
        (path / name).mkdir(parents=True)
        for number, height in enumerate((14, 15, 16, 18, 21, 25, 32, 40, 52, 70, 96), start=1):
            small = cv2.resize(crop, (2 * height, height), interpolation=cv2.INTER_AREA)
            (path / name / f"img_{number}.png").write_bytes(encode(np.asarray(small, np.uint8)))
    _write(path / "labels.csv", "\n".join(labels) + "\n")


def _ufpr(path: Path) -> None:
    """Two tracks in the layout of UFPR-SR-Plates."""
    for sample in render_samples(9, 2, layouts=dict.fromkeys(LATIN_LAYOUTS, 1.0), size=(56, 112)):
        folder = path / f"plate-{sample.index:06d}"
        folder.mkdir(parents=True)
        for number in range(1, 6):
            small = cv2.resize(sample.image, (40 + number, 20), interpolation=cv2.INTER_AREA)
            (folder / f"lr-{number:03d}.png").write_bytes(encode(np.asarray(small, np.uint8)))
            (folder / f"hr-{number:03d}.png").write_bytes(encode(sample.image))
        _write(folder / f"plate-{sample.index:06d}_{sample.text}.txt", sample.text)


def _lrlpr(path: Path) -> None:
    """Four training and two test tracks in the challenge's layout."""
    for sample in render_samples(9, 6, layouts=dict.fromkeys(LATIN_LAYOUTS, 1.0), size=(56, 112)):
        part = "test-public" if sample.index > 3 else f"train/Scenario-A/{sample.layout.capitalize()}"
        folder = path / part / f"track_{sample.index:05d}"
        folder.mkdir(parents=True)
        for number in range(1, 6):
            small = cv2.resize(sample.image, (40 + number, 16), interpolation=cv2.INTER_AREA)
            (folder / f"lr-{number:03d}.png").write_bytes(encode(np.asarray(small, np.uint8)))
            if sample.index <= 3:
                (folder / f"hr-{number:03d}.png").write_bytes(encode(sample.image))
        if sample.index <= 3:
            annotation = {
                "plate_layout": sample.layout.capitalize(),
                "plate_text": sample.text,
                "corners": {},
            }
            _write(folder / "annotations.json", json.dumps(annotation))


def _ccpd(path: Path) -> None:
    """Six scenes named as CCPD names them."""
    (path / "ccpd_base").mkdir(parents=True)
    left, top, right, bottom = 200, 400, 424, 512
    for sample in render_samples(7, 6, layouts={"blue": 1.0}, appearance=Appearance(difficulty=0.2)):
        scene = np.full((1160, 720, 3), 90, np.uint8)
        scene[top:bottom, left:right] = cv2.resize(sample.image, (right - left, bottom - top))
        name = CcpdName(
            area="025",
            tilt=(90, 90),
            box=((left, top), (right, bottom)),
            vertices=((right, bottom), (left, bottom), (left, top), (right, top)),
            indices=indices_of(sample.text),
            brightness=40,
            blurriness=20,
        ).format()
        (path / "ccpd_base" / f"{name}.jpg").write_bytes(encode(scene, "jpg"))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The placeholders; one set a test process."""
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def given(world: World, tmp_path: Path) -> dict[str, object]:
    """Names that the documents' Python takes for granted, described in words beside it."""
    sample = next(iter(render_samples(1, 1)))
    world.provide("DATA", tmp_path)
    row = next(iter(mb.open(tmp_path / "DATA").rows()))
    return {"gt": sample.image, "crops": [sample.image] * 2, "row": row}
