"""Reading speed of every installed reader on rendered plates, one thread, same images, same run.

OMP_NUM_THREADS=1 python benchmarks/readers.py
"""

from __future__ import annotations

import time

import torch
from rich.console import Console
from rich.table import Table

from mdlp_bench.errors import MdlpBenchError
from mdlp_bench.images import ImageU8
from mdlp_bench.readers.base import Reader
from mdlp_bench.readers.registry import READERS, load_reader
from mdlp_bench.synth.render import render_samples

_PLATES = 128


def _best_seconds(reader: Reader, images: list[ImageU8], rounds: int = 3) -> float:
    reader.read(images[:8])
    times = []
    for _ in range(rounds):
        began = time.process_time()
        reader.read(images)
        times.append(time.process_time() - began)
    return min(times) / len(images)


def _one_by_one(reader: Reader, images: list[ImageU8]) -> float:
    began = time.process_time()
    for image in images:
        reader.read([image])
    return (time.process_time() - began) / len(images)


def main() -> None:
    torch.set_num_threads(1)
    images = [sample.image for sample in render_samples(7, _PLATES)]
    table = Table(title=f"{_PLATES} plates of 112 x 224, one thread, CPU time")
    for column in ("reader", "ms / image, batched", "ms / image, one by one", "batched is faster by"):
        table.add_column(column, justify="left" if column == "reader" else "right")
    for name in READERS:
        try:
            reader = load_reader(name)
        except MdlpBenchError as error:
            table.add_row(name, str(error), "", "")
            continue
        batched, single = _best_seconds(reader, images), _one_by_one(reader, images)
        table.add_row(name, f"{batched * 1e3:.1f}", f"{single * 1e3:.1f}", f"{single / batched:.1f} x")
    Console().print(table)


if __name__ == "__main__":
    main()
