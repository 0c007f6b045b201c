"""Open any source, write Parquet, inspect, compare and export data sets."""

from mdlp_bench.data.bitmap_samples import DecodedSamples
from mdlp_bench.data.build import write_parquet
from mdlp_bench.data.decode import DecodedBatch, decode_batch
from mdlp_bench.data.manifest import Manifest, read_manifest
from mdlp_bench.data.opening import as_samples, open_samples
from mdlp_bench.data.parquet import ParquetSamples
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.samples import Samples
from mdlp_bench.data.sources.base import LazySamples

__all__ = [
    "DecodedBatch",
    "DecodedSamples",
    "LazySamples",
    "Manifest",
    "ParquetSamples",
    "Problem",
    "Samples",
    "as_samples",
    "decode_batch",
    "open_samples",
    "read_manifest",
    "write_parquet",
]
