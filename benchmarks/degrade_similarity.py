"""How close the frames of each recipe come to real ones: a table and a figure.

    python benchmarks/degrade_similarity.py MDLP_FOLDER [READER] [FIGURE.png]

The ground truths of the folder are degraded by every recipe; their frames stand beside the real ones of the
same samples, so content is no difference. READER is a reader's name (see `mdlp_bench.readers`); without it
nothing is read.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mdlp_bench.data.opening import open_samples
from mdlp_bench.images import ImageU8
from mdlp_bench.metrics.text import ned
from mdlp_bench.readers import load_reader
from mdlp_bench.synth.degrade import RecipeComparison, compare_recipes, load_recipe, recipe_names


def draw(result: RecipeComparison, target: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = ["real", *result.recipes]
    statistics = [name for name in result.statistics if name not in {"width", "height"}]
    figure, axes = plt.subplots(2, -(-len(statistics) // 2), figsize=(13, 6))
    for axis, statistic in zip(axes.ravel(), statistics, strict=False):
        values = [result.real[statistic], *(result.recipes[name][statistic] for name in result.recipes)]
        boxes = axis.boxplot(values, whis=(5, 95), showfliers=False, patch_artist=True, widths=0.6)
        for name, box in zip(names, boxes["boxes"], strict=True):
            box.set_facecolor({"real": "#d9a441", "surveillance": "#4c8cb5"}.get(name, "#dddddd"))
        axis.axhline(float(np.median(result.real[statistic])), color="#d9a441", linewidth=0.8)
        axis.set_xticks(range(1, len(names) + 1), names, rotation=60, ha="right", fontsize=8)
        axis.set_title(statistic.replace("_", " "), fontsize=10)
    for axis in axes.ravel()[len(statistics) :]:
        axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(target, dpi=90)


def main() -> None:
    folder, reader_name, figure = (*sys.argv[1:], "", "")[:3]
    samples = [sample for sample in open_samples(folder) if sample.gt is not None]
    real = [sample.decode_frames(3) for sample in samples]
    gts = [sample.decode_gt() for sample in samples]
    texts = [sample.text for sample in samples]

    def legibility(images: Sequence[ImageU8], true: Sequence[str]) -> Sequence[float]:
        return [float(v) for v in ned([r.text for r in reader.read(images)], true)]

    if reader_name:
        reader = load_reader(reader_name)
        print(f"reader {reader_name}: NED of the ground truths {np.mean(legibility(gts, texts)):.3f}\n")
    result = compare_recipes(
        real,
        gts,
        [load_recipe(name) for name in recipe_names()],
        repeats=3,
        texts=texts if reader_name else None,
        legibility=legibility if reader_name else None,
    )
    print(result.markdown())
    if reader_name:
        means = {name: float(np.mean(values["reader_ned"])) for name, values in result.recipes.items()}
        print(f"\nMean NED: real {np.mean(result.real['reader_ned']):.3f}; ", end="")
        print(", ".join(f"{name} {value:.3f}" for name, value in means.items()))
    if figure:
        draw(result, Path(figure))


if __name__ == "__main__":
    main()
