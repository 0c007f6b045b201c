"""Audit a data set: leaks between splits, duplicates, broken and doubtful samples, balance."""

from mdlp_bench.curate.audit.auditing import audit, quarantine, write_html
from mdlp_bench.curate.audit.findings import CHECKS, Audit, AuditConfig, Check, Finding

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
