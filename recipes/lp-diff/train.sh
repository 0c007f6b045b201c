#!/bin/sh
# The bundled LP-Diff: run from the root of the repository. About an hour on one core of a 2-core machine.
set -e
OUT=${1:-out/lp-diff}
python recipes/pool.py "$OUT" 2
train() {
    phase=$1 data=$2; shift 2
    mdlp-bench train lp-diff "$OUT/$data" --out "$OUT/$phase" --config "recipes/lp-diff/$phase.yaml" \
        --validation "$OUT/val" --threads 1 "$@"
}
train psi first --stop-after 700
train joint pool --stop-after 600 --start "$OUT/psi/weights.safetensors"
train diffusion pool --stop-after 500 --start "$OUT/joint/weights.safetensors"
train final pool --stop-after 1125 --start "$OUT/diffusion/weights.safetensors"
train anneal pool --start "$OUT/final/weights.safetensors"
cp "$OUT/anneal/weights.safetensors" baselines/weights/lp-diff.safetensors
