"""Conformance checks: does your method, metric, reader, source or recipe keep the contract of its interface?

Each function runs one and raises an `AssertionError` that says what is wrong; call it in a test of your own.

    from mdlp_bench.testing import check_method

    def test_my_method_conforms():
        check_method("my_method.py:restore")
"""

from mdlp_bench.testing.conformance import (
    check_method,
    check_metric,
    check_reader,
    check_recipe,
    check_source,
)

__all__ = ["check_method", "check_metric", "check_reader", "check_recipe", "check_source"]
