"""WebDataset: tar shards in which the files of a sample share a key."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from mdlp_bench.data.export.target import Names, exporting, write_table
from mdlp_bench.data.samples import Samples
from mdlp_bench.data.sources.names import sample_id_of
from mdlp_bench.engine import chunks
from mdlp_bench.files import atomic_path
from mdlp_bench.schema import PLAIN_COLUMNS, Sample

SHARD_SAMPLES: Final = 1000


def export_webdataset(samples: Samples, out: Path) -> int:
    """Write `<split>-<number>.tar` with `<key>.frame<n>.<ext>`, `<key>.gt.<ext>` and `<key>.json` per sample.

    The key is the sample id without dots (a dot would end the key). Where two ids would share one, also where
    case does not count, the later one gets a few digits of a hash appended: `renamed.csv` lists these, and
    every `.json` has the sample id. Times and owners are zero, so equal samples give equal tars.

    Args:
        samples: Any samples.
        out: New folder, or the unfinished export of the same samples.

    Returns:
        The number of samples.

    Raises:
        DataError: The folder holds something else, or splits differ in case only.
        MdlpBenchError: The folder cannot be written.
    """
    count = 0
    keys, renamed = _keys(samples)
    with exporting("webdataset", samples, out, shard_samples=SHARD_SAMPLES) as bar:
        for split, ids in samples.candidates().items():
            for number, chunk in enumerate(chunks(ids, SHARD_SAMPLES)):
                target = out / f"{sample_id_of(split)}-{number:05d}.tar"
                if not target.is_file():
                    _write_tar(samples.select(sample_ids=chunk), target, keys)
                count += len(chunk)
                bar.update(len(chunk))
        if renamed:
            write_table(out / "renamed.csv", [("key", "sample_id"), *renamed.items()])
    return count


def _keys(samples: Samples) -> tuple[dict[str, str], dict[str, str]]:
    """The key of each sample, and the keys that had to be changed; ids without dots choose first."""
    ids = [sample_id for found in samples.candidates().values() for sample_id in found]
    names = Names()
    keys = {i: names.give(i.replace(".", "_"), i) for i in sorted(ids, key=lambda i: ("." in i, i))}
    return keys, names.renamed


def _write_tar(samples: Samples, target: Path, keys: Mapping[str, str]) -> None:
    with atomic_path(target) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
        for sample in samples:
            for name, content in _members(sample, keys[sample.sample_id]):
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(content), 0o644
                tar.addfile(info, io.BytesIO(content))


def _members(sample: Sample, key: str) -> Iterator[tuple[str, bytes]]:
    for number, image in enumerate(sample.frames):
        yield f"{key}.frame{number}{image.suffix}", image.content
    if sample.gt is not None:
        yield f"{key}.gt{sample.gt.suffix}", sample.gt.content
    meta = {name: getattr(sample, name) for name in PLAIN_COLUMNS}
    yield f"{key}.json", json.dumps(meta, ensure_ascii=False).encode()
