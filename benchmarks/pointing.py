"""Where attention points: on phantom studies against true boxes, and on Open-I by the side that a sentence names.

    python -m benchmarks.pointing --size full                 five fits on 300 phantom studies each, 1,000 to point at
    python -m benchmarks.pointing --size full --openi ROOT    Open-I besides: which way a sentence's side moves its map
    python -m benchmarks.pointing --encoder NAME              a published or local model instead of a fit
    python -m benchmarks.pointing --pictures FOLDER           a picture of each fit's worst cases besides

On Open-I the fits are by patient, so that nobody's image is seen in a fit and pointed at too.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator, Philox

from benchmarks.pointing_cases import Cases, openi_cases, phantom_cases, questions
from benchmarks.pointing_measures import Sided, balanced, centre_prior, gradient_saliency, presence, sided, table
from benchmarks.pointing_pictures import save_worst
from benchmarks.suite import Figure, Measured, run
from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.schemas.config import AttentionConfig
from medcutmix_pipeline.stages.attention.encoder import FIT, Encoder, encoder_image_size, load_encoder
from medcutmix_pipeline.stages.attention.fit import fit_encoder

if TYPE_CHECKING:
    import argparse

FIT_STUDIES_SEED, TEST_STUDIES_SEED = 7000, 9000
FITS, FOLDS = {"small": 1, "full": 5}, {"small": 2, "full": 5}
TEST_STUDIES = {"small": 200, "full": 1000}
"""Of 200, eight patients have a fracture: too few to tell of a finding whether it is met."""
MEAN, WORST_FIT, FINDING, MASS, SECONDS, SIDE = 0.90, 0.82, 0.75, 3.0, 90.0, 0.70
"""Targets: hit rate over the fits, of the worst of them, and of each finding over the fits; mass inside the boxes over
their area; seconds of a fit; share of Open-I's one-sided sentences whose side moves the map there."""


def fitted(cases: Cases, config: AttentionConfig, seed: int) -> tuple[Encoder, float]:
    """An encoder and the seconds that its fit took."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        fit_encoder(cases.images, cases.pairs, config.fit, seed, Path(folder), lambda *_: None, config.device)
        return load_encoder(config, Path(folder)), time.perf_counter() - start


def on_phantoms(config: AttentionConfig, told: argparse.Namespace) -> list[Figure]:
    size = encoder_image_size(config, None)
    cases = phantom_cases(TEST_STUDIES_SEED, told.test_studies or TEST_STUDIES[told.size], size, told.contrast)
    asked = questions(cases)
    rows, sentences = [q[0].image for q in asked], [q[0].sentence for q in asked]
    runs, seconds, beliefs = [], [], []
    for seed in range(FITS[told.size]) if config.encoder == FIT else [0]:
        if config.encoder == FIT:
            studies = phantom_cases(FIT_STUDIES_SEED + seed, told.studies, size, told.contrast)
            encoder, took = fitted(studies, config, seed)
            seconds.append(took)
        else:
            encoder = load_encoder(config, None)
        maps = encoder.attend(cases.images, rows, sentences).maps
        runs.append(table(asked, maps, size))
        if told.pictures:
            save_worst(told.pictures / f"fit-{seed}.png", cases, asked, maps, config.mass)
        beliefs.append(presence(encoder, cases, asked)["all"])
        print(f"fit {seed}: hit {runs[-1]['all'][0]:.3f}" + (f" in {seconds[-1]:.0f} s" if seconds else ""), flush=True)
    cells = maps.shape[1]
    centre = table(asked, centre_prior(len(asked), cells), size)
    gradient = table(asked, gradient_saliency(cases.images, cells)[rows], size)
    figures = [Figure("phantoms: sentences asked", len(asked), "")]
    held = config.encoder == FIT and told.contrast == 1
    for name in runs[0]:
        figures += of_finding(name, runs, centre, gradient, held)
    hits = [run["all"][0] for run in runs]
    figures.append(Figure("all: peak inside a box, the worst fit", min(hits), "", at_least=WORST_FIT if held else None))
    figures += [
        Measured(tuple(yes for yes, _ in beliefs)).figure("phantoms: sentences believed of their own image", ""),
        Measured(tuple(1 - no for _, no in beliefs)).figure("phantoms: sentences believed of an image without it", ""),
    ]
    if seconds:
        figures.append(Measured(tuple(seconds)).figure("phantoms: a fit", "s"))
        figures.append(Figure("phantoms: the slowest fit", max(seconds), "s", at_most=SECONDS))
    return figures


def of_finding(
    name: str,
    runs: list[dict[str, list[float]]],
    centre: dict[str, list[float]],
    gradient: dict[str, list[float]],
    held: bool,
) -> list[Figure]:
    """Over the fits: mean, worst and best; `held` against the targets or not."""
    hits = [run[name][0] for run in runs]
    _, mass, _, area, _ = np.mean([run[name] for run in runs], 0)
    return [
        Figure(
            f"{name}: peak inside a box",
            float(np.mean(hits)),
            "",
            min(hits),
            max(hits),
            at_least=(MEAN if name == "all" else FINDING) if held else None,
        ),
        Figure(
            f"{name}: mass inside ÷ area", float(mass / area), "×", at_least=MASS if held and name == "all" else None
        ),
        Figure(f"{name}: chance", float(area), ""),
        Figure(f"{name}: centre prior", centre[name][0], ""),
        Figure(f"{name}: gradient saliency", gradient[name][0], ""),
    ]


def on_openi(config: AttentionConfig, told: argparse.Namespace) -> list[Figure]:
    cases = openi_cases(told.openi, encoder_image_size(config, None))
    rows: list[Sided] = []
    seconds, by_fold = [], []
    folds = FOLDS[told.size]
    for fold in range(folds):
        held_out = [keyed_hash(0, "fold", p.patient) % folds == fold for p in cases.pairs]
        if config.encoder == FIT:
            encoder, took = fitted(cases.only([not h for h in held_out]), config, fold)
            seconds.append(took)
        else:
            encoder = load_encoder(config, None)
        part = sided(encoder, cases.only(held_out))
        rows += part
        by_fold.append(balanced(part, "moved"))
        print(
            f"fold {fold}: {len(part)} sentences, side {by_fold[-1]:.3f}, score {balanced(part, 'higher'):.3f}",
            flush=True,
        )
    figures = [
        Figure("Open-I: one-sided sentences", len(rows), ""),
        Figure("Open-I: their patients", len({row.patient for row in rows}), ""),
        replace(
            interval("Open-I: naming the true side moves the map there, 95 % interval", rows, "moved"),
            at_least=SIDE if config.encoder == FIT else None,
        ),
        Figure(
            "Open-I: the same, lowest and highest of the folds", balanced(rows, "moved"), "", min(by_fold), max(by_fold)
        ),
        interval("Open-I: most of the map is on the named side, 95 % interval", rows, "there"),
        interval("Open-I: the same of the sentence without its places, 95 % interval", rows, "found"),
        interval("Open-I: naming the true side gives the higher score, 95 % interval", rows, "higher"),
    ]
    return [*figures, Measured(tuple(seconds)).figure("Open-I: a fit", "s")] if seconds else figures


def interval(what: str, rows: list[Sided], column: str) -> Figure:
    """The balanced accuracy with its 95 % interval, by drawing patients anew; chance is 0.5."""
    by_patient: dict[str, list[Sided]] = defaultdict(list)
    for row in rows:
        by_patient[row.patient].append(row)
    patients, rng = sorted(by_patient), Generator(Philox(key=0))
    draws = [
        balanced([r for n in rng.integers(0, len(patients), len(patients)) for r in by_patient[patients[n]]], column)
        for _ in range(2000)
    ]
    low, high = np.percentile(draws, (2.5, 97.5))
    return Figure(what, balanced(rows, column), "", float(low), float(high))


def measure(told: argparse.Namespace) -> list[Figure]:
    fit = dict(setting.split("=", 1) for setting in told.fit.split(",") if setting)
    config = AttentionConfig.model_validate({"encoder": told.encoder, "threads": 2, "fit": fit})
    return [*on_phantoms(config, told), *(on_openi(config, told) if told.openi else [])]


if __name__ == "__main__":
    own = {"encoder": FIT, "openi": None, "pictures": None, "studies": 300, "test_studies": 0, "contrast": 1.0}
    run("pointing", measure, __doc__, **own, fit="")
