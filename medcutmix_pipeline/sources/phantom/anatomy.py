"""What a phantom patient's chest measures, and how one exposure places it on the detector.

Lengths and positions are fractions of the image's side; x grows to the image's right, which by radiological convention
is the patient's left, y grows downwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from medcutmix_pipeline.hashing import keyed_hash

Vessels = tuple[int, float, NDArray[np.float64]]
"""Lung markings of one calibre: side (-1 right, 1 left), width, polylines float64 [lines, points, 2]."""


def generator(seed: int, purpose: str, *names: str) -> Generator:
    """Random numbers that depend on nothing but the arguments (Philox keyed by `keyed_hash`)."""
    return Generator(Philox(key=keyed_hash(seed, purpose, *names)))


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A patient's chest. Every study of the patient has the same.

    `ctr` is the cardiothoracic ratio, the heart's width over the thorax's: below 0.5 in a normal frontal radiograph.
    The points of `vessels` are (distance from the midline, depth below the apex) in units of the lung's half-width and
    height.
    """

    midline: float
    apex: float
    widest: float
    half_width: float
    dome_right: float
    dome_left: float
    sulcus: float
    ctr: float
    heart_length: float
    mediastinum: float
    knob: float
    rib_first: float
    rib_spacing: float
    rib_density: float
    clavicle: float
    bulk: float
    breast: float
    stomach: float
    depth: float
    sex: str
    age: int
    vessels: tuple[Vessels, ...]


@dataclass(frozen=True, slots=True)
class Pose:
    """One exposure: where the chest lies in the field, how far it fills it, and how the film was exposed."""

    dx: float
    dy: float
    zoom: float
    exposure: float
    noise: float
    border: tuple[float, float, float, float]
    marker: bool


def draw_anatomy(seed: int, patient: str) -> Anatomy:
    """The chest of a patient."""
    rng = generator(seed, "anatomy", patient)
    sex = "F" if rng.random() < 0.5 else "M"
    dome = rng.uniform(0.70, 0.76)
    apex = rng.uniform(0.10, 0.14)
    return Anatomy(
        midline=rng.uniform(0.49, 0.51),
        apex=apex,
        widest=rng.uniform(0.60, 0.68),
        half_width=rng.uniform(0.345, 0.395),
        dome_right=dome,
        dome_left=dome + rng.uniform(0.012, 0.035),
        sulcus=rng.uniform(0.12, 0.16),
        ctr=rng.uniform(0.40, 0.475),
        heart_length=rng.uniform(0.145, 0.165),
        mediastinum=rng.uniform(0.052, 0.066),
        knob=rng.uniform(0.030, 0.042),
        rib_first=rng.uniform(0.075, 0.095),
        rib_spacing=rng.uniform(0.066, 0.074),
        rib_density=rng.uniform(0.16, 0.26),
        clavicle=rng.uniform(0.20, 0.34),
        bulk=rng.uniform(0.90, 1.12),
        breast=rng.uniform(0.06, 0.13) if sex == "F" else 0.0,
        stomach=rng.uniform(0.15, 0.45) if rng.random() < 0.6 else 0.0,
        depth=rng.uniform(0.90, 1.05),
        sex=sex,
        age=int(rng.integers(21, 90)),
        vessels=_vessels(rng),
    )


def draw_pose(seed: int, image: str) -> Pose:
    """The exposure of an image."""
    rng = generator(seed, "pose", image)
    border = tuple(float(b) for b in np.where(rng.random(4) < 0.3, rng.uniform(0.006, 0.025, 4), 0.0))
    return Pose(
        dx=rng.uniform(-0.02, 0.02),
        dy=rng.uniform(-0.015, 0.02),
        zoom=rng.uniform(0.96, 1.06),
        exposure=rng.uniform(0.92, 1.10),
        noise=rng.uniform(0.008, 0.018),
        border=(border[0], border[1], border[2], border[3]),
        marker=bool(rng.random() < 0.6),
    )


def _vessels(rng: Generator) -> tuple[Vessels, ...]:
    """Branching lung markings that leave the hila and taper towards the periphery."""
    trees = []
    t = np.linspace(0, 1, 6)
    for side in (-1, 1):
        angle = (np.linspace(-1.25, 1.35, 9) + rng.uniform(-0.1, 0.1, 9))[:, None]
        length, bend = rng.uniform(0.45, 0.7, (9, 1)), rng.uniform(-0.35, 0.35, (9, 1))
        turn = angle + bend * t
        trunk = np.stack([0.22 + np.cos(turn) * length * t, 0.52 + np.sin(turn) * length * 0.75 * t], -1)
        away = angle + 0.6 * np.sign(bend)
        reach = length * t[:4] * 0.6
        fork = trunk[:, 2:3] + np.stack([np.cos(away) * reach, 0.75 * np.sin(away) * reach], -1)
        trees += [(side, 1.0, trunk[:, :4]), (side, 0.5, trunk[:, 3:]), (side, 0.5, fork)]
    return tuple(trees)
