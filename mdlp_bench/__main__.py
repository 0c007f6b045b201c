"""`python -m mdlp_bench` is `mdlp-bench`."""

from mdlp_bench.cli.main import main

main()
