"""Frontal or lateral by the picture: right on phantoms and, where they are at hand, on real radiographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.schemas.config import IngestConfig, SourceConfig
from medcutmix_pipeline.sources import open_source, read_bytes
from medcutmix_pipeline.sources.phantom import study
from medcutmix_pipeline.stages.ingest import decode, image_view, square
from medcutmix_pipeline.stages.ingest.view import view_odds

if TYPE_CHECKING:
    from pathlib import Path


def test_phantoms_show_their_view() -> None:
    guesses = [(image.view, image_view(image.pixels)) for n in range(60) for image in study(9, n, 128).images]
    told = [(view, guess) for view, guess in guesses if guess is not None]
    assert {"frontal", "lateral"} == {view for view, _ in guesses}
    assert len(told) >= 0.95 * len(guesses)
    assert sum(view == guess for view, guess in told) >= 0.98 * len(told)


def test_real_radiographs_show_their_view(shared_data: Path) -> None:
    config = IngestConfig()
    source = open_source(SourceConfig(kind="openi", root=str(shared_data / "openi")))
    listed = [i for s in source.studies() for i in s.images if not i.problem][::9]
    guesses = [(i.view, image_view(decode(read_bytes(i.uri, config.max_bytes), config))) for i in listed]
    told = [(view, guess) for view, guess in guesses if guess is not None]
    assert len(listed) > 450
    assert len(told) >= 0.95 * len(listed)
    assert sum(view == guess for view, guess in told) >= 0.985 * len(told)


def test_which_way_a_chest_looks_how_bright_it_is_and_its_border_make_no_difference() -> None:
    for image in (image for n in range(6) for image in study(4, n, 128).images):
        odds = view_odds(image.pixels)
        assert abs(view_odds(image.pixels[:, ::-1]) - odds) < 0.2
        assert abs(view_odds((image.pixels * 0.6 + 20).astype(np.uint8)) - odds) < 0.3
        framed = np.zeros((180, 250), np.uint8)
        framed[20:148, 60:188] = image.pixels
        assert image_view(framed) in (image_view(image.pixels), None)


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 255))
def test_a_picture_of_nothing_has_no_view(height: int, width: int, grey: int) -> None:
    assert image_view(np.full((height, width), grey, np.uint8)) is None
    assert image_view(square(np.full((height, width), grey, np.uint8), 20, "stretch")) is None
