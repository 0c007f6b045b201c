"""The leaderboard at size: boards of 200 entries x 2,000 samples, and the site's heaviest page.

Run: python benchmarks/leaderboard.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from mdlp_bench.files import sha256_bytes
from mdlp_bench.harness.run import DatasetRecord, Environment, MetricSummary, RunRecord, write_run
from mdlp_bench.leaderboard.boards import boards
from mdlp_bench.leaderboard.store import (
    OUTPUT_HASH,
    DatasetCard,
    EntryRecord,
    Store,
    dataset_slug,
    reader_key,
)
from mdlp_bench.leaderboard.submission.form import Submission
from mdlp_bench.metrics.base import METRICS
from mdlp_bench.metrics.protocol import CURRENT
from mdlp_bench.readers.base import ReaderDescriptor

READER = ReaderDescriptor(name="crnn", title="CRNN", version="1", weights_sha256="0" * 64, licence="none")
RANKED = {"ned": 0.3, "acc": 0.3, "cer": 0.3, "psnr": 14.0, "ssim": 0.4, "lpips": 0.3}


def make_store(root: Path, n_entries: int, n_samples: int) -> Store:
    """A store of random entries; two samples a plate."""
    store = Store(root)
    rng = np.random.default_rng(0)
    slug = dataset_slug("bench", "0" * 64)
    n_plates = n_samples // 2
    texts = [f"京A{10000 + number // 2}" for number in range(n_samples)]
    difficulty = np.repeat(rng.normal(0, 0.1, n_plates), 2)
    store.write_card(
        DatasetCard(
            slug=slug,
            name="bench",
            fingerprint="0" * 64,
            n_samples=n_samples,
            n_plates=n_plates,
            domain="synthetic",
            layouts={"blue": n_samples},
            ceilings={reader_key(READER): {"ned": 0.01, "acc": 0.98}},
            floors={reader_key(READER): {"ned": 0.7, "acc": 0.02}},
            browsed=(),
        )
    )
    environment = Environment.current()
    for number in range(n_entries):
        submission = Submission(
            schema_version=1,
            method=f"Method {number:04d}",
            version="1.0",
            authors=["A. Author"],
            contact="a@example.org",
            license="MIT",
            training_data=["MDLP train"],
            uses_synthetic=bool(number % 2),
            extra_data=bool(number % 3 == 0),
            frames_used=3,
            n_parameters=int(10 ** rng.uniform(4, 8)),
            deterministic=True,
            hardware="CPU",
            runtime_per_image_s=float(10 ** rng.uniform(-3, 1)),
            device="cpu",
            test_set_not_trained_on=True,
        )
        skill = rng.normal(0, 0.1)
        values = {}
        for name, centre in RANKED.items():
            info = METRICS[name]
            sign = 1 if info.higher_is_better else -1
            raw = centre * (1 + sign * (skill - difficulty)) + centre * rng.normal(0, 0.3, n_samples)
            low, high = sorted((info.worst, min(info.best, 100.0)))
            values[name] = np.round(np.clip(raw, low, high), 6)
        values["acc"] = (values["acc"] > 0.4).astype(float)
        summary = {
            name: MetricSummary(
                mean=float(column.mean()),
                low=float(column.mean()) * 0.98,
                high=float(column.mean()) * 1.02,
                n=n_samples,
                n_plates=n_plates,
                n_failed=0,
                higher_is_better=METRICS[name].higher_is_better,
            )
            for name, column in values.items()
        }
        record = RunRecord(
            protocol=CURRENT.id,
            protocol_sha256=CURRENT.fingerprint(),
            method=submission.descriptor(),
            dataset=DatasetRecord(name="bench", fingerprint="0" * 64, n_samples=n_samples),
            readers=(READER,),
            weights={},
            seed=0,
            device="cpu",
            prediction_seconds=0.0,
            milliseconds_per_image=1000 * submission.runtime_per_image_s,
            environment=environment,
        )
        table = pa.table(
            {
                "sample_id": [f"s{i:05d}" for i in range(n_samples)],
                "plate_id": texts,
                "text": texts,
                "layout": ["blue"] * n_samples,
                "error": pa.nulls(n_samples, pa.string()),
                "read_text": texts,
                "read_confidence": np.ones(n_samples),
                **values,
                OUTPUT_HASH: [sha256_bytes(f"{number}-{i}".encode()) for i in range(n_samples)],
            }
        )
        folder = store.entry_folder(submission, slug)
        write_run(folder, record, table, summary)
        EntryRecord(
            submission=submission,
            dataset=slug,
            added=f"2025-01-01T00:{number // 60:02d}:{number % 60:02d}+00:00",
            archive_sha256=sha256_bytes(str(number).encode()),
            claimed_vs_recomputed=(),
            flags=(),
        ).write(folder)
    return store


def main() -> None:
    """Print the measurements."""
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder) / "lb", 200, 2000)
        wall, cpu = time.perf_counter(), time.process_time()
        found = boards(store)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(
            f"{len(found)} boards of 200 entries x 2,000 samples, 6 metrics: {wall:.1f} s, {cpu:.1f} s of CPU"
        )


if __name__ == "__main__":
    main()
