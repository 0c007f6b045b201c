"""Split a data set by plate, never by sample, and report the balance of the strata."""

from mdlp_bench.data.splitting.model import Repair, SplitReport, SplitRule, SplitShare, StratumShare
from mdlp_bench.data.splitting.run import BY_COLUMNS, REPORT, split_dataset

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
