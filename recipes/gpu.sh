#!/usr/bin/env bash
# Render the pool on all cores, then train LP-Diff `base` and the reference set on one GPU.
#
#     bash recipes/gpu.sh OUT [SECONDS]
#
# Run it from the root of the repository, on a machine with a CUDA GPU; nothing is downloaded. After SECONDS
# (default 600) of training it stops; the same command goes on from the last checkpoints. Finished weights
# are in OUT/weights.
set -euo pipefail
out=${1:?usage: bash recipes/gpu.sh OUT [SECONDS]}
seconds=${2:-600}
run() { "$@" python recipes/reproduce.py bundled --recipes recipes/gpu.yaml --out "$out" --workers "$(nproc)" "${only[@]}"; }
only=(--only pool)
run
only=()
if run timeout --signal=INT "$seconds"; then
  echo "done: $out/weights"
else
  status=$?
  [ "$status" -eq 124 ] || exit "$status"
  echo "stopped after $seconds s; the same command goes on"
fi
