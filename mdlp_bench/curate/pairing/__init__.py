"""Captured tracks to triplets: measure, choose, vote on the text, reject with a reason, report."""

from mdlp_bench.curate.pairing.choose import choose_ground_truth, choose_windows, ground_truth_scores
from mdlp_bench.curate.pairing.config import PairingConfig, make_config
from mdlp_bench.curate.pairing.consensus import Consensus, vote
from mdlp_bench.curate.pairing.pair_tracks import pair
from mdlp_bench.curate.pairing.report import PairingReport
from mdlp_bench.curate.pairing.track import Outcome, pair_track

__all__ = [
    "Consensus",
    "Outcome",
    "PairingConfig",
    "PairingReport",
    "choose_ground_truth",
    "choose_windows",
    "ground_truth_scores",
    "make_config",
    "pair",
    "pair_track",
    "vote",
]
