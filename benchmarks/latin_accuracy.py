"""What readers of Brazil's plates read of real tracks, picture by picture, and of rendered plates.

python benchmarks/latin_accuracy.py crnn-latin crnn-latin-grammar --real REAL

`--real` is a folder with `ufpr_sr/` and `lrlpr/`; without them only rendered plates are read, which no
training drew. A reader is what `--reader` takes. Limits are Clopper-Pearson's at 95 % and count
plates: the pictures of one plate err together.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch

from mdlp_bench.data import open_samples
from mdlp_bench.files import seed_for
from mdlp_bench.harness.statistics.shares import clopper_pearson
from mdlp_bench.images import ImageU8, decode
from mdlp_bench.readers.base import Reader
from mdlp_bench.readers.registry import load_reader
from mdlp_bench.training.reader_data import film, layout_shares, render_pool

_STREAM: Final = 4242
Track = tuple[str, list[ImageU8]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="+")
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--plates", type=int, default=400, help="rendered plates")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kinds = {"sharp pictures": _tracks(arguments.real, "hr"), "small frames": _tracks(arguments.real, "lr")}
    rendered = _rendered(arguments.plates)
    for name in arguments.readers:
        reader = load_reader(name)
        print(f"{name}, version {reader.descriptor.version}")
        for kind, tracks in kinds.items():
            if tracks:
                _report(reader, kind, tracks)
        for kind, (crops, texts) in rendered.items():
            right = sum(r.text == text for r, text in zip(reader.read(crops), texts, strict=True))
            print(f"  {kind}: {_share(right, len(texts))}")


def _report(reader: Reader, kind: str, tracks: Mapping[str, Track]) -> None:
    threshold = reader.descriptor.believed_from or 1.0
    right, pictures, believed, errors = 0, 0, 0, 0
    by_plate: dict[str, list[bool]] = {}
    for name, (text, images) in tracks.items():
        readings = reader.read(images)
        hits = [reading.text == text for reading in readings]
        sure = [reading.confidence >= threshold for reading in readings]
        missed = sorted({r.text for r, hit in zip(readings, hits, strict=True) if not hit})
        print(f"  {name} {text}: {sum(hits)} of {len(hits)} {kind}; misread as {', '.join(missed) or '-'}")
        right, pictures = right + sum(hits), pictures + len(hits)
        by_plate.setdefault(text, []).extend(hits)
        believed += sum(sure)
        errors += sum(s and not h for s, h in zip(sure, hits, strict=True))
    mostly = sum(np.mean(hits) > 0.5 for hits in by_plate.values())
    print(f"  {kind}: {right} of {pictures}; plates mostly read: {_share(mostly, len(by_plate))}")
    print(f"  believed: {believed}, of these wrong: {errors}")


def _share(count: int, n: int) -> str:
    low, high = clopper_pearson([count], [n], 0.95)[0]
    return f"{count} of {n} ({low:.2f} to {high:.2f})"


def _tracks(real: Path, prefix: str) -> dict[str, Track]:
    """Text and pictures of every track, by its name."""
    texts = {
        sample.sample_id: str(sample.text)
        for folder in ("ufpr_sr", "lrlpr")
        if (real / folder).is_dir()
        for sample in open_samples(real / folder)
    }
    found: dict[str, Track] = {}
    for folder in sorted(path for part in ("ufpr_sr", "lrlpr") for path in (real / part).rglob("*")):
        files = sorted(file for file in folder.glob(f"{prefix}-*") if file.suffix in (".png", ".jpg"))
        if files:
            text = next(text for sample_id, text in texts.items() if sample_id.endswith(folder.name))
            found[folder.name] = (text, [decode(file.read_bytes(), str(file)) for file in files])
    return found


def _rendered(plates: int) -> dict[str, tuple[list[ImageU8], tuple[str, ...]]]:
    """Rendered plates as video cameras deliver them, from 11 and from 24 pixels in height."""
    shares = layout_shares(("brazilian", "mercosur"))
    with tempfile.TemporaryDirectory() as folder:
        pool = render_pool(Path(folder), _STREAM, plates, shares, makers=True)
    deliver = partial(film, photographed=0.5, sharpened=0.35)
    found = {}
    for smallest in (11, 24):
        crops = [
            deliver(image, np.random.default_rng(seed_for("latin", smallest, index)), 1.0, smallest)
            for index, image in enumerate(pool.images)
        ]
        found[f"rendered, from {smallest} pixels"] = (crops, pool.texts)
    return found


if __name__ == "__main__":
    main()
