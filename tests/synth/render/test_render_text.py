from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlp_bench.errors import PlateError
from mdlp_bench.plate import LAYOUTS, PROVINCES, is_valid
from mdlp_bench.synth.render import sample_text


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**63), st.sampled_from(LAYOUTS), st.sampled_from(["uniform", "ccpd"]))
def test_every_text_obeys_the_grammar_of_its_layout(seed, layout, provinces):
    text = sample_text(np.random.default_rng(seed), layout, provinces)
    assert is_valid(text, layout)


def test_uniform_reaches_every_province_about_equally():
    rng = np.random.default_rng(1)
    counts = Counter(sample_text(rng, "blue", "uniform")[0] for _ in range(6200))
    assert set(counts) == set(PROVINCES)
    # 200 expected each; five standard deviations of a binomial count are 70.
    assert all(130 < count < 270 for count in counts.values())


def test_ccpd_is_mostly_hefei():
    rng = np.random.default_rng(2)
    texts = [sample_text(rng, "blue", "ccpd") for _ in range(2000)]
    assert np.mean([text[0] == "皖" for text in texts]) == pytest.approx(0.88, abs=0.02)
    assert np.mean([text[:2] == "皖A" for text in texts]) == pytest.approx(0.79, abs=0.04)


def test_unknown_distribution_is_named():
    with pytest.raises(PlateError, match="'mars'"):
        sample_text(np.random.default_rng(0), "blue", "mars")
