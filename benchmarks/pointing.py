"""Where attention points: on phantom studies against true boxes, and on Open-I by the side that a sentence names.

python benchmarks/pointing.py                     five fits on 300 phantom studies each, 200 fresh ones to point at
python benchmarks/pointing.py --openi ROOT        five-fold by patient: which way a sentence's side moves its map
python benchmarks/pointing.py --encoder NAME      a published or local model instead of a fit

Prints a table, and with --json FILE writes the figures.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray
from PIL import Image

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.schemas.config import AttentionConfig, Config, SourceConfig
from medcutmix_pipeline.sources import open_source, read_bytes
from medcutmix_pipeline.sources.phantom import study
from medcutmix_pipeline.stages.attention.encoder import FIT, Encoder, encoder_image_size, load_encoder
from medcutmix_pipeline.stages.attention.fit import Pair, fit_encoder
from medcutmix_pipeline.stages.attention.statements import one_sided, sides_of, swap_sides
from medcutmix_pipeline.stages.ingest import ImageReject, decode, square
from medcutmix_pipeline.stages.sentences.reader import ReportReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from medcutmix_pipeline.schemas.records import Report

FIT_STUDIES_SEED, TEST_STUDIES_SEED = 7000, 9000
Box = tuple[float, float, float, float]
Maps = NDArray[np.float32]


@dataclass
class Cases:
    """Images uint8 [N, s, s], what was said of them, and for phantoms the boxes of each image by finding."""

    images: NDArray[np.uint8]
    pairs: list[Pair]
    boxes: list[dict[str, list[Box]]] = field(default_factory=list)

    def only(self, keep: Sequence[bool]) -> Cases:
        return Cases(self.images, [p for p, k in zip(self.pairs, keep, strict=True) if k], self.boxes)


UNPAIRED = frozenset(Config().pairing.exclude)
"""Findings on which nothing is matched, so that no map of them is ever used."""


def pairs_of(row: int, report: Report, view: Any, patient: str) -> Iterator[Pair]:
    """As the pipeline pairs them for its fit."""
    told = [
        (sentence.text, tuple(sorted({m.disease for m in sentence.mentions if m.assertion == "present"} - UNPAIRED)))
        for sentence in report.sentences
        if sentence.diagnostic
    ]
    told = [(text, findings) for text, findings in told if findings]
    for text, findings in told:
        yield Pair(row, text, findings, view, patient, report.labels)
    if not told:
        yield Pair(row, "", (), view, patient, report.labels)


def phantom_cases(seed: int, studies: int, size: int, contrast: float) -> Cases:
    reader = ReportReader(Config().sentences)
    images, pairs, boxes = [], [], []
    for index in range(studies):
        one = study(seed, index, size, contrast)
        report = reader.read(reader.clean(one.report))
        for image in one.images:
            pairs += pairs_of(len(images), report, image.view, one.patient_id)
            images.append(image.pixels)
            own: dict[str, list[Box]] = defaultdict(list)
            for truth in one.truth:
                if truth.image_id == image.image_id and truth.box is not None:
                    own[truth.finding].append(truth.box)
            boxes.append(own)
    return Cases(np.stack(images), pairs, boxes)


def openi_cases(root: str, size: int) -> Cases:
    config = Config()
    reader = ReportReader(config.sentences)
    images, pairs = [], []
    for one in open_source(SourceConfig(kind="openi", root=root)).studies():
        text = reader.clean(one.report or "")
        if one.problem or not text:
            continue
        report = reader.read(text)
        for image in one.images:
            if image.view not in ("frontal", "lateral") or image.problem:
                continue
            try:
                pixels = decode(read_bytes(image.uri, config.ingest.max_bytes), config.ingest, at_least=size)
            except ImageReject:
                continue
            pairs += pairs_of(len(images), report, image.view, one.patient_id)
            images.append(square(pixels, size, config.shards.square))
    return Cases(np.stack(images), pairs)


def questions(cases: Cases) -> list[tuple[Pair, str, list[Box]]]:
    """Sentence, finding, and its boxes on the side that the sentence names (left is on a frontal image's right)."""
    asked = []
    middle = cases.images.shape[1] / 2
    for pair in cases.pairs:
        sides = sides_of(pair.sentence) if pair.view == "frontal" else frozenset()
        for finding in pair.findings:
            boxes = cases.boxes[pair.image].get(finding, [])
            if len(sides) == 1:
                left = "left" in sides
                boxes = [b for b in boxes if b[0] <= middle <= b[2] or (b[0] > middle) == left]
            if boxes:
                asked.append((pair, finding, boxes))
    return asked


def measure(map_: Maps, boxes: Sequence[Box], size: int) -> tuple[float, float, float, float]:
    """Of the map enlarged to the image (bicubic): hit of its peak, share of its mass inside, contrast-to-noise
    (Boecking et al. 2022, doi:10.1007/978-3-031-20059-5_1), and the boxes' share of the image."""
    spread = np.asarray(Image.fromarray(map_).resize((size, size), Image.Resampling.BICUBIC), np.float64).clip(0)
    inside = np.zeros((size, size), bool)
    for x0, y0, x1, y1 in boxes:
        inside[int(y0) : int(np.ceil(y1)) + 1, int(x0) : int(np.ceil(x1)) + 1] = True
    within, without = spread[inside], spread[~inside]
    noise = np.sqrt(within.var() + without.var())
    contrast = (within.mean() - without.mean()) / noise if noise else 0.0
    hit = inside.flat[int(spread.argmax())]
    return float(hit), float(within.sum() / spread.sum()), float(contrast), float(inside.mean())


def table(asked: list[tuple[Pair, str, list[Box]]], maps: Maps, size: int) -> dict[str, list[float]]:
    """Means over the questions of each finding, and over all: hit, mass inside, contrast-to-noise, area, number."""
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for (_, finding, boxes), map_ in zip(asked, maps, strict=True):
        found = measure(map_, boxes, size)
        rows[finding].append(found)
        rows["all"].append(found)
    return {name: [*np.mean(rows[name], 0).tolist(), len(rows[name])] for name in sorted(rows)}


def centre_prior(count: int, cells: int) -> Maps:
    axis = np.exp(-0.5 * (((np.arange(cells) + 0.5) / cells - 0.5) / 0.2) ** 2)
    return np.broadcast_to(np.outer(axis, axis).astype(np.float32), (count, cells, cells))


def gradient_saliency(images: NDArray[np.uint8], cells: int) -> Maps:
    """Magnitude of the image's gradient, averaged over each cell."""
    down, across = np.gradient(images.astype(np.float32), axis=(1, 2))
    step = images.shape[1] // cells
    return np.hypot(down, across).reshape(len(images), cells, step, cells, step).mean((2, 4))


def fitted(cases: Cases, config: AttentionConfig, seed: int) -> tuple[Encoder, float]:
    """An encoder and the seconds that its fit took."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        fit_encoder(cases.images, cases.pairs, config.fit, seed, Path(folder), lambda *_: None, config.device)
        return load_encoder(config, Path(folder)), time.perf_counter() - start


def presence(encoder: Encoder, cases: Cases, asked: list[tuple[Pair, str, list[Box]]]) -> dict[str, list[float]]:
    """Per finding: the share of its images with a score of at least 0.5 for their sentence (sensitivity), and the share
    below of as many images whose reports deny the finding or do not name it (specificity)."""
    labels = {p.image: p.labels for p in cases.pairs}
    views = {p.image: p.view for p in cases.pairs}
    rows, others, sentences = [], [], []
    for number, (pair, finding, _) in enumerate(asked):
        free = [r for r in labels if labels[r].get(finding, "absent") == "absent" and views[r] == pair.view]
        if free:
            rows.append(pair.image)
            others.append(free[keyed_hash(0, "presence", str(number)) % len(free)])
            sentences.append((pair.sentence, finding))
    scores = [encoder.attend(cases.images, r, [s for s, _ in sentences]).scores for r in (rows, others)]
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (_, finding), yes, no in zip(sentences, *scores, strict=True):
        for name in (finding, "all"):
            found[name].append((float(yes >= 0.5), float(no < 0.5)))
    return {name: np.mean(rates, 0).tolist() for name, rates in sorted(found.items())}


def run_phantom(config: AttentionConfig, arguments: argparse.Namespace) -> dict[str, Any]:
    size = encoder_image_size(config, None)
    cases = phantom_cases(arguments.test_seed, arguments.test_studies, size, arguments.contrast)
    asked = questions(cases)
    rows, sentences = [q[0].image for q in asked], [q[0].sentence for q in asked]
    runs, seconds, beliefs = [], [], []
    for seed in range(arguments.fits) if config.encoder == FIT else [0]:
        if config.encoder == FIT:
            studies = phantom_cases(arguments.fit_seed + seed, arguments.studies, size, arguments.contrast)
            encoder, took = fitted(studies, config, seed)
            seconds.append(took)
        else:
            encoder = load_encoder(config, None)
        maps = encoder.attend(cases.images, rows, sentences).maps
        runs.append(table(asked, maps, size))
        beliefs.append(presence(encoder, cases, asked))
        print(f"fit {seed}: hit {runs[-1]['all'][0]:.3f}" + (f" in {seconds[-1]:.0f} s" if seconds else ""), flush=True)
    cells = maps.shape[1]
    others = {
        "centre prior": table(asked, centre_prior(len(asked), cells), size),
        "gradient saliency": table(asked, gradient_saliency(cases.images, cells)[rows], size),
    }
    print(f"\n{'finding':28}  n   hit (worst fit)  mass/area  CNR   chance  centre  gradient  sensitivity  specificity")
    for name in runs[0]:
        hits = [run[name][0] for run in runs]
        mean = np.mean([run[name] for run in runs], 0)
        print(
            f"{name:28}{int(mean[4]):4}  {mean[0]:.3f} ({min(hits):.3f})   {mean[1] / mean[3]:7.1f}  {mean[2]:5.2f}  "
            f"{mean[3]:.3f}   {others['centre prior'][name][0]:.3f}   {others['gradient saliency'][name][0]:.3f}     "
            f"{np.mean([b[name][0] for b in beliefs]):.2f}         {np.mean([b[name][1] for b in beliefs]):.2f}"
        )
    return {
        "columns": ["hit", "mass", "cnr", "area", "n"],
        "fits": runs,
        "seconds": seconds,
        "presence": beliefs,
        **others,
    }


def side_shares(encoder: Encoder, cases: Cases) -> list[tuple[str, bool, bool, bool]]:
    """For each one-sided sentence of a frontal image: patient, whether it says left, whether naming the true side puts
    more of the map on that side than naming the other does, and whether it gives the higher score."""
    asked = [p for p in cases.pairs if p.view == "frontal" and one_sided(p.sentence)]
    rows = [p.image for p in asked]
    told = encoder.attend(cases.images, rows, [p.sentence for p in asked])
    swapped = encoder.attend(cases.images, rows, [swap_sides(p.sentence) for p in asked])
    half = told.maps.shape[2] // 2
    on_left = [m[:, :, half:].sum((1, 2)) / m.sum((1, 2)) for m in (told.maps, swapped.maps)]
    out = []
    for k, pair in enumerate(asked):
        left = sides_of(pair.sentence) == {"left"}
        moved = on_left[0][k] - on_left[1][k]
        out.append(
            (pair.patient, left, bool(moved > 0) == left and moved != 0, bool(told.scores[k] > swapped.scores[k]))
        )
    return out


def balanced(rows: Sequence[tuple[str, bool, bool, bool]], column: int) -> float:
    return float(np.mean([np.mean([r[column] for r in rows if r[1] == left]) for left in (True, False)]))


def run_openi(config: AttentionConfig, arguments: argparse.Namespace) -> dict[str, Any]:
    cases = openi_cases(arguments.openi, encoder_image_size(config, None))
    rows: list[tuple[str, bool, bool, bool]] = []
    seconds = []
    for fold in range(arguments.folds):
        held_out = [keyed_hash(0, "fold", p.patient) % arguments.folds == fold for p in cases.pairs]
        if config.encoder == FIT:
            encoder, took = fitted(cases.only([not h for h in held_out]), config, fold)
            seconds.append(took)
        else:
            encoder = load_encoder(config, None)
        part = side_shares(encoder, cases.only(held_out))
        rows += part
        print(
            f"fold {fold}: {len(part)} sentences, side {balanced(part, 2):.3f}, score {balanced(part, 3):.3f}",
            flush=True,
        )
    by_patient: dict[str, list[tuple[str, bool, bool, bool]]] = defaultdict(list)
    for row in rows:
        by_patient[row[0]].append(row)
    patients, rng = sorted(by_patient), Generator(Philox(key=1))
    figures: dict[str, Any] = {"sentences": len(rows), "patients": len(patients), "seconds": seconds}
    for name, column in (("side of the map", 2), ("side by score", 3)):
        draws = [
            balanced(
                [r for n in rng.integers(0, len(patients), len(patients)) for r in by_patient[patients[n]]], column
            )
            for _ in range(2000)
        ]
        low, high = np.percentile(draws, (2.5, 97.5))
        figures[name] = [balanced(rows, column), float(low), float(high)]
        print(f"{name}: balanced accuracy {figures[name][0]:.3f}, 95 % interval {low:.3f} to {high:.3f}, chance 0.500")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default=FIT)
    parser.add_argument("--openi", help="root of Open-I; without it phantoms are used")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--fits", type=int, default=5, help="fits, each on studies of its own")
    parser.add_argument("--studies", type=int, default=300, help="phantom studies of a fit")
    parser.add_argument("--test-studies", type=int, default=200)
    parser.add_argument("--fit-seed", type=int, default=FIT_STUDIES_SEED, help="seed of the first fit's studies")
    parser.add_argument("--test-seed", type=int, default=TEST_STUDIES_SEED, help="seed of the studies pointed at")
    parser.add_argument("--contrast", type=float, default=1.0)
    parser.add_argument("--set", action="append", default=[], help="a setting of the fit, such as steps=800")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    fit = {key: value for key, _, value in (s.partition("=") for s in arguments.set)}
    config = AttentionConfig.model_validate({"encoder": arguments.encoder, "threads": 2, "fit": fit})
    figures = run_openi(config, arguments) if arguments.openi else run_phantom(config, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
