"""What splitting needs to know of the samples, and which of them must stay together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mdlp_bench.data.plate_split import unit_hash
from mdlp_bench.data.problem import Problem
from mdlp_bench.data.samples import Samples
from mdlp_bench.plate import region_or_none
from mdlp_bench.progress import progress_bar
from mdlp_bench.schema import Sample

LEVELS: Final[tuple[tuple[str, float], ...]] = (
    ("below 9 px", 9.0),
    ("9-12 px", 12.0),
    ("12-16 px", 16.0),
    ("16-24 px", 24.0),
    ("24 px and more", float("inf")),
)
"""Degradation levels: mean height of a sample's frames below each bound."""


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """What splitting needs to know of a sample; `keys` are the values of the rule's columns."""

    sample_id: str
    split: str
    keys: tuple[str, ...]
    layout: str
    province: str
    level: str


def gather_facts(samples: Samples, by: Sequence[str]) -> tuple[list[SampleFacts], int]:
    """What splitting needs to know of every sound sample, and the number of others; reads images once."""
    facts: list[SampleFacts] = []
    left_out = 0
    candidates = samples.candidates().values()
    with progress_bar(sum(map(len, candidates)), "Reading") as bar:
        for sample in bar.over(item for ids in candidates for item in samples.load(ids)):
            if isinstance(sample, Problem):
                left_out += 1
                continue
            facts.append(
                SampleFacts(
                    sample.sample_id,
                    sample.split,
                    tuple(str(getattr(sample, column) or sample.sample_id) for column in by),
                    sample.layout or "unknown",
                    region_or_none(sample.text),
                    degradation_level(sample),
                )
            )
    return facts, left_out


def degradation_level(sample: Sample) -> str:
    """The level of `LEVELS` of a sample, or `no frames`.

    Raises:
        DataError: A frame is broken.
    """
    if not sample.frames:
        return "no frames"
    heights = [frame.shape[0] for frame in sample.decode_frames()]
    return next(level for level, bound in LEVELS if np.mean(heights) < bound)


def group_samples(facts: Sequence[SampleFacts]) -> list[str]:
    """For each sample the name of its group: samples that share a value in any column are in one group.

    With one column the name is the value. With several it is the value of the first column whose hash is the
    smallest in the group.
    """
    if not facts or len(facts[0].keys) == 1:
        return [fact.keys[0] for fact in facts]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    codes: dict[tuple[int, str], int] = {}
    links = [codes.setdefault(item, len(codes)) for fact in facts for item in enumerate(fact.keys)]
    columns = len(facts[0].keys)
    edges = np.asarray(links).reshape(-1, columns)
    left, right = np.repeat(edges[:, 0], columns), edges.ravel()
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(len(codes), len(codes)))
    component = connected_components(graph, directed=False)[1]
    names: dict[int, str] = {}
    of_sample = [int(component[link]) for link in edges[:, 0]]
    for fact, number in zip(facts, of_sample, strict=True):
        best = names.setdefault(number, fact.keys[0])
        names[number] = min(best, fact.keys[0], key=lambda value: (unit_hash(value, 0), value))
    return [names[number] for number in of_sample]
