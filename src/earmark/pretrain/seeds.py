"""Randomness as a function of its purpose: a seed, a step, a clip id."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(*parts: int | str) -> int:
    """Return a number below 2^63 that is fixed by `parts`, and unlike that of any other parts."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def seeded_rng(*parts: int | str) -> np.random.Generator:
    """Return a generator whose draws are fixed by `parts`, such as (seed, step, clip id)."""
    return np.random.default_rng(derive_seed(*parts))
