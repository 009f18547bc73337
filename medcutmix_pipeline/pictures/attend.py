"""One sentence in one image: where an encoder finds it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.config import AttentionConfig, Config, ShardsConfig
from medcutmix_pipeline.sources.reading import ReadFailedError
from medcutmix_pipeline.stages.attention.checkpoint import is_fitted, is_saved
from medcutmix_pipeline.stages.attention.encoder import load_encoder, problem_of
from medcutmix_pipeline.stages.attention.maps import finish_map, map_area
from medcutmix_pipeline.stages.ingest.rejection import ImageReject
from medcutmix_pipeline.stages.ingest.samples import stored_square
from medcutmix_pipeline.stages.ingest.squares import resized

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Attended:
    """What an encoder says of a sentence and an image.

    Attributes:
        image: uint8 [S, S], as a build would store it.
        attention: uint8 [h, w], the map as it would be stored, peak 255.
        score: in [0, 1], the encoder's belief that the image shows what the sentence says.
        area: in (0, 1], the share of the image that the map covers.
        peak: (x, y) of the map's strongest cells, their centre, as shares of width and height from the upper left.
        truncated: whether the sentence is longer than the encoder reads, so that its beginning alone was looked for.
    """

    image: NDArray[np.uint8]
    attention: NDArray[np.uint8]
    score: float
    area: float
    peak: tuple[float, float]
    truncated: bool = False


def attend_image(image: Path, sentence: str, config: AttentionConfig, fitted: Path | None = None) -> Attended:
    """Ask an encoder about one sentence in one image, prepared as in a build: in that by which the encoder was fitted,
    where there is one.

    Args:
        image: DICOM, PNG, JPEG, WebP or TIFF.
        sentence: what is looked for, as a report would say it.
        config: the encoder and the width of its maps.
        fitted: where `config.encoder` is `fit`, the folder in which a build saved it (`OUT/encoder`).

    Raises:
        UsageError: the sentence is empty, there is no such image, or the encoder cannot be used.
        DataError: the image cannot be used, or the encoder gives no map of it.
    """
    if not sentence.strip():
        raise UsageError('what is to be looked for? Give a sentence, such as "There is a left pleural effusion."')
    if image.is_dir():  # else it would be told as a file that may not be read
        raise UsageError(f"{image} is a folder: name one image")
    encoder = load_encoder(config, fitted)
    settings = _settings(fitted, encoder.image_size)
    try:
        stored = stored_square(str(image), settings)
    except ImageReject as why:
        at_fault = UsageError if why.reason == "image-missing" else DataError
        raise at_fault(f"{image} cannot be used ({why.reason}): {why.detail}") from None
    except ReadFailedError as why:
        raise DataError(f"{image} cannot be read: {why}") from None
    asked = encoder.attend(resized(stored, encoder.image_size)[None], [0], [sentence])
    if problem := problem_of(asked, 1):
        raise DataError(f"attention.encoder: {encoder.id} {problem}")
    attention = finish_map(asked.maps[0], config.mass)
    rows, columns = np.nonzero(attention == attention.max())
    height, width = attention.shape
    peak = (float(columns.mean() + 0.5) / width, float(rows.mean() + 0.5) / height)
    return Attended(stored, attention, float(asked.scores[0]), map_area(attention), peak, asked.truncated > 0)


def _settings(fitted: Path | None, side: int) -> Config:
    """How images are prepared: as those of the dataset whose encoder it is, else as by default, and not too small."""
    if fitted is not None:
        with suppress(OSError, ValueError, KeyError, TypeError):  # no dataset yet, or one of another version's settings
            told = json.loads((fitted.parent / "dataset.json").read_text("utf-8"))["config"]
            return Config(ingest=told["ingest"], shards=told["shards"])
    return Config(shards=ShardsConfig(image_size=max(512, side)))


def fitted_in(place: str) -> Path | None:
    """The folder of the encoder that a build fitted, where `place` is its dataset or that folder; else None.

    Raises:
        UsageError: `place` is a dataset whose maps come from another encoder.
    """
    for folder in (Path(place) / "encoder", Path(place)):
        if is_saved(folder) and is_fitted(folder):
            return folder
    if (Path(place) / "dataset.json").is_file():
        raise UsageError(f"{place} was built with an encoder that was not fitted: name that one with --encoder")
    return None
