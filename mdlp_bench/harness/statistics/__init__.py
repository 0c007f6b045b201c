"""The project's statistics, all in one place: plate-cluster bootstrap, paired comparison, ranks, agreement.

Needs numpy and scipy only.
"""

from mdlp_bench.harness.statistics.agreement import Correlation, rank_correlation
from mdlp_bench.harness.statistics.bootstrap import ClusterBootstrap, IntervalMethod
from mdlp_bench.harness.statistics.clusters import Clusters, StatisticsError
from mdlp_bench.harness.statistics.comparison import (
    Comparison,
    PairedDifference,
    compact_letters,
    compare_methods,
    holm,
    minimum_detectable_difference,
    paired_differences,
)
from mdlp_bench.harness.statistics.estimate import Estimate, SeedSpread
from mdlp_bench.harness.statistics.ranking import (
    MetricRank,
    MetricRanking,
    MetricScores,
    OverallRule,
    Rank,
    Ranking,
    pareto_front,
    rank_methods,
)

__all__ = [
    "ClusterBootstrap",
    "Clusters",
    "Comparison",
    "Correlation",
    "Estimate",
    "IntervalMethod",
    "MetricRank",
    "MetricRanking",
    "MetricScores",
    "OverallRule",
    "PairedDifference",
    "Rank",
    "Ranking",
    "SeedSpread",
    "StatisticsError",
    "compact_letters",
    "compare_methods",
    "holm",
    "minimum_detectable_difference",
    "paired_differences",
    "pareto_front",
    "rank_correlation",
    "rank_methods",
]
