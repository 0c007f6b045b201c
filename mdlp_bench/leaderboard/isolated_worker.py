"""The process of `isolated`: limits itself, then predicts. Run as a module, not imported."""

from __future__ import annotations

import sys
from pathlib import Path


def main(spec: str, inputs: str, out: str, megabytes: str, seed: str, *compute: str) -> None:
    """Predict with the method of `spec` on the samples in `inputs`."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the time limit of the parent still holds.
        pass
    else:
        limit = int(megabytes) * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from mdlp_bench.data import open_samples
    from mdlp_bench.device import Compute
    from mdlp_bench.errors import MdlpBenchError
    from mdlp_bench.harness.predict import predict
    from mdlp_bench.methods import load_method

    try:
        wanted = Compute.resolve(*compute)
        predict(load_method(spec), open_samples(inputs), Path(out), seed=int(seed), compute=wanted)
    except MemoryError:
        sys.exit(f"out of memory: more than {megabytes} MB needed")
    except MdlpBenchError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
