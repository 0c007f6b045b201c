"""Split a data set by plate, never by sample, and report the balance of the strata."""

from mdlp_bench.curate.splitting.config import Repair, SplitReport, SplitRule, SplitShare, StratumShare
from mdlp_bench.curate.splitting.split_samples import BY_COLUMNS, REPORT, split_dataset

__all__ = [
    "BY_COLUMNS",
    "REPORT",
    "Repair",
    "SplitReport",
    "SplitRule",
    "SplitShare",
    "StratumShare",
    "split_dataset",
]
