"""Draws by PRF: against the standard library's distributions, their bounds, and how far from uniform they are."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.crypto.aes import keystream
from airlock.crypto.draws import MOST, BoundedNoise, _gaussian, _laplace, _log, draw_words, uniforms, up_to

COUNT = 100_000
WORDS = np.frombuffer(keystream(bytes(range(32)), 8 * COUNT), np.uint64)
NUMBERS = st.floats(1e-300, 1 - 2**-53)

CUMULATIVE = {
    "laplace": lambda x: 0.5 * math.exp(x) if x < 0 else 1 - 0.5 * math.exp(-x),
    "gaussian": NormalDist().cdf,
    "uniform": lambda x: min(1, max(0, (x + 1) / 2)),
}


def test_words_are_the_first_eight_bytes_low_end_first() -> None:
    tags = np.arange(32, dtype=np.uint8).reshape(2, 16)
    assert draw_words(tags).tolist() == [
        int.from_bytes(bytes(range(8)), "little"),
        int.from_bytes(bytes(range(16, 24)), "little"),
    ]


@settings(deadline=None, max_examples=50)
@given(word=st.integers(0, 2**64 - 1))
def test_uniforms_are_never_zero_or_one_and_mirror_exactly(word: int) -> None:
    (made,) = uniforms(np.array([word], np.uint64)).tolist()
    (mirrored,) = uniforms(np.array([2**64 - 1 - word], np.uint64)).tolist()
    assert 0 < made < 1
    assert made * 2**53 == 2 * (word >> 12) + 1
    assert mirrored == 1 - made


@settings(deadline=None, max_examples=50)
@given(word=st.integers(0, 2**64 - 1), count=st.integers(1, MOST))
def test_integers_are_the_high_word_of_the_product(word: int, count: int) -> None:
    assert up_to(np.array([word], np.uint64), count).tolist() == [word * count >> 64]


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_too_many_numbers_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="draws are from 1 to"):
        up_to(np.zeros(1, np.uint64), count)


def test_integers_are_drawn_evenly() -> None:
    counts = np.bincount(up_to(WORDS, 60), minlength=60)
    assert len(counts) == 60
    chi_squared = ((counts - COUNT / 60) ** 2 / (COUNT / 60)).sum()
    assert chi_squared < 59 + 6 * math.sqrt(2 * 59)


@settings(deadline=None, max_examples=50)
@given(number=NUMBERS)
def test_logarithms_are_those_of_the_standard_library(number: float) -> None:
    assert _log(np.array([number]))[0] == pytest.approx(math.log(number), rel=4e-16, abs=1e-300)


@settings(deadline=None, max_examples=50)
@given(number=NUMBERS)
def test_normal_quantiles_are_those_of_the_standard_library(number: float) -> None:
    assert _gaussian(np.array([number]))[0] == pytest.approx(NormalDist().inv_cdf(number), rel=4e-15, abs=1e-300)


@settings(deadline=None, max_examples=50)
@given(number=NUMBERS)
def test_laplace_quantiles_are_the_inverse(number: float) -> None:
    assert CUMULATIVE["laplace"](_laplace(np.array([number]))[0]) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize("bound", [0.4, 1.5, 4.0, 40.0])
@pytest.mark.parametrize("distribution", CUMULATIVE)
def test_draws_have_the_distribution_cut_off_at_the_bound(distribution: str, bound: float) -> None:
    """Kolmogorov's distance stays below 2.5 / sqrt(n): for the right distribution it is above once in 130,000 times."""
    noise, below = BoundedNoise(distribution, scale=3.0, bound=3.0 * bound), CUMULATIVE[distribution]
    drawn = np.sort(noise.draw(uniforms(WORDS)))
    assert np.abs(drawn).max() <= 3.0 * bound
    low, high = below(-bound), below(bound)
    expected = np.array([(below(x / 3.0) - low) / (high - low) for x in drawn.tolist()])
    assert np.abs(expected - (np.arange(COUNT) + 0.5) / COUNT).max() < 2.5 / math.sqrt(COUNT)


@pytest.mark.parametrize("distribution", CUMULATIVE)
def test_probabilities_are_the_shares_of_draws(distribution: str) -> None:
    noise = BoundedNoise(distribution, scale=2.0, bound=3.0)
    drawn = noise.draw(uniforms(WORDS))
    for low, high in ((-0.5, 0.5), (0.5, 1.5), (-9.0, 0.0)):
        share = ((drawn >= low) & (drawn < high)).mean()
        assert share == pytest.approx(noise.probability(low, high), abs=0.01)
    assert noise.probability(-3.0, 3.0) == pytest.approx(1.0)
    assert noise.probability(3.0, 4.0) == 0.0


def test_draws_do_not_depend_on_how_many_there_are() -> None:
    noise, numbers = BoundedNoise("gaussian", scale=1.0, bound=4.0), uniforms(WORDS[:20_000])
    assert np.array_equal(noise.draw(numbers)[8_190:8_200], noise.draw(numbers[8_190:8_200]))
