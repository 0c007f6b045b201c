"""Audit a data set: leaks between splits, duplicates, broken and doubtful samples, balance."""

from mdlp_bench.data.audit.model import CHECKS, Audit, AuditConfig, Check, Finding
from mdlp_bench.data.audit.run import audit, quarantine, write_html

__all__ = [
    "CHECKS",
    "Audit",
    "AuditConfig",
    "Check",
    "Finding",
    "audit",
    "quarantine",
    "write_html",
]
