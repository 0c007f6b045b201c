#!/usr/bin/env bash
# Render the pool on all cores, then train LP-Diff `base` and the set of bundled.yaml on one GPU.
#
#     bash recipes/gpu.sh OUT [SECONDS]
#
# Run it from the root of the repository, on a machine with a CUDA GPU. Nothing is downloaded: SqueezeNet's weights,
# which Real-ESRGAN is trained with, must be in the torch hub cache. After SECONDS (default 600) of training it
# stops; the same command goes on from the last checkpoints. Weights of finished methods are in OUT/weights.
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
