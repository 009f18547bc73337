"""λ, the share of the host that is kept: Beta(α, α) from numbers that are keyed by the plan alone.

λ is what `numpy.random.Generator(Philox(key=key)).beta(α, α)` draws. To set up such a generator takes more time than
all else about a plan, its name and its partners included, so for α = 1, the default, the same numbers are made for all
plans of a shard at once: Philox 4×64 of ten rounds (Salmon, Moraes, Dror and Shaw, SC 2011) and Jöhnk's method, which
at α = 1 is exact arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Words = npt.NDArray[np.uint64]

_FEW = 200
"""So many are drawn sooner one by one."""
_ROUNDS = 10
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_WORD = (1 << 64) - 1
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


def draw_lambdas(alpha: float, keys: Sequence[int]) -> list[float]:
    """For each key, of 64 bits, a λ ~ Beta(α, α) in [0, 1], rounded to six digits, which depends on the key alone."""
    drawn = _uniform(np.array(keys, dtype=np.uint64)).tolist() if alpha == 1 else _by_generator(alpha, keys)
    return [round(share, 6) for share in drawn]


def _by_generator(alpha: float, keys: Sequence[int]) -> list[float]:
    """One generator is set to each key in turn: a new one would first ask the system for entropy that is of no use."""
    philox = np.random.Philox(key=0)
    beta = np.random.Generator(philox).beta
    state = philox.state
    drawn = []
    for key in keys:
        state["state"]["key"][0] = key
        philox.state = state
        drawn.append(beta(alpha, alpha))
    return drawn


def _uniform(keys: Words) -> npt.NDArray[np.float64]:
    """float64 [N]: Jöhnk's Beta(1, 1), the share of U in U + V for the first pair whose sum is at most 1."""
    drawn = np.zeros(keys.size, dtype=np.float64)
    waiting, block = np.arange(keys.size), 0
    while waiting.size > _FEW:
        block += 1
        uniform = (philox(keys[waiting], block) >> np.uint64(11)) * 2.0**-53
        total = uniform[0::2] + uniform[1::2]
        fits = (total <= 1) & (total > 0)
        # The second pair of a block is looked at where the first does not fit.
        for pair in (1, 0):
            drawn[waiting[fits[pair]]] = uniform[2 * pair, fits[pair]] / total[pair, fits[pair]]
        waiting = waiting[~fits.any(axis=0)]
    drawn[waiting] = _by_generator(1.0, keys[waiting].tolist())
    return drawn


def philox(keys: Words, block: int) -> Words:
    """uint64 [4, N]: the words of one block of each generator; the first block that numpy gives out is 1."""
    zeros = np.zeros_like(keys)
    words = [zeros + np.uint64(block), zeros, zeros, zeros]
    for turn in range(_ROUNDS):
        first, second = (np.uint64(turn * weyl & _WORD) for weyl in _WEYL)
        high0, low0 = _product(words[0], _MULTIPLIERS[0])
        high1, low1 = _product(words[2], _MULTIPLIERS[1])
        words = [high1 ^ words[1] ^ (keys + first), low1, high0 ^ words[3] ^ second, low0]
    return np.stack(words)


def _product(words: Words, factor: int) -> tuple[Words, Words]:
    """The high and the low half of 128-bit products, by halves of words."""
    low, high = words & _LOW, words >> _HALF
    factor_low, factor_high = np.uint64(factor & 0xFFFFFFFF), np.uint64(factor >> 32)
    middle = high * factor_low + (low * factor_low >> _HALF)
    other = low * factor_high + (middle & _LOW)
    return high * factor_high + (middle >> _HALF) + (other >> _HALF), words * np.uint64(factor)
