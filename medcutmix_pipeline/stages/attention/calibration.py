"""What a pooled score is worth: logistic calibration (Platt 1999) at the end of the fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS, _RIDGE = 50, 1e-3

Reals = NDArray[np.float64]


def calibrate(scores: Reals, holds: NDArray[np.bool_]) -> tuple[float, float]:
    """Gain and offset by which sigmoid(gain · score + offset) is the chance that a sentence holds.

    `scores` float64 [N] and `holds` bool [N] are judged pairs. Those that hold and those that fail weigh the same in
    all, so that 0.5 means as likely as not at even odds, for every finding alike. Newton's method on the weighted
    cross-entropy with a slight ridge, which keeps the numbers finite where the scores part the pairs without error.
    """
    weight = np.where(holds, 0.5 / max(holds.sum(), 1), 0.5 / max((~holds).sum(), 1))
    centre, spread = float(scores.mean()), float(scores.std()) or 1.0
    design = np.stack([(scores - centre) / spread, np.ones_like(scores)], 1)
    wanted, solution = holds.astype(np.float64), np.zeros(2)
    for _ in range(_ROUNDS):
        belief = 1 / (1 + np.exp(-design @ solution))
        gradient = design.T @ (weight * (belief - wanted)) + _RIDGE * solution
        curvature = (design * (weight * belief * (1 - belief))[:, None]).T @ design + _RIDGE * np.eye(2)
        solution = solution - np.linalg.solve(curvature, gradient)
    return float(solution[0] / spread), float(solution[1] - solution[0] * centre / spread)
