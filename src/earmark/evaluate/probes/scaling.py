"""Features on a common scale: what train knows of their mean and spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64


@dataclass(frozen=True)
class Scaling:
    """Subtract `mean`, divide by `deviation`: that of a constant feature is 1."""

    mean: Float64[np.ndarray, " dim"]
    deviation: Float64[np.ndarray, " dim"]

    def __call__(
        self, features: Float32[np.ndarray, "clips dim"]
    ) -> Float64[np.ndarray, "clips dim"]:
        """Return the features on the scale."""
        return (features - self.mean) / self.deviation


def scaling_of(features: Float32[np.ndarray, "clips dim"]) -> Scaling:
    """Return the scaling under which these features have mean 0 and deviation 1."""
    mean = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    # Rounding gives even a constant a deviation, of about one unit in its last place.
    deviation[deviation <= 1e-7 * np.abs(mean)] = 1.0
    return Scaling(mean, deviation)
