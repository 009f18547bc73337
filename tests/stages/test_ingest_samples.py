"""A unit's samples: good ones in order, bad ones told, none lost."""

from __future__ import annotations

import io
import logging
import os
import pickle
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.schemas.records import PlacedSample
from medcutmix_pipeline.sources import ReadFailedError
from medcutmix_pipeline.stages.ingest import ImageReject, samples
from medcutmix_pipeline.stages.ingest import dicom as dicom_module
from medcutmix_pipeline.stages.ingest import picture as picture_module
from medcutmix_pipeline.stages.ingest.ahead import AHEAD
from medcutmix_pipeline.stages.ingest.quiet import quiet
from medcutmix_pipeline.stages.ingest.samples import ingest_samples
from medcutmix_pipeline.stages.ingest.squares import resized
from tests.stages.ingest_files import dicom, picture, png, ramp

if TYPE_CHECKING:
    from pathlib import Path


def config(**shards: Any) -> Config:
    return Config.model_validate({"shards": {"image_size": 48, "image_format": "png", **shards}})


def placed(path: Path, number: int) -> PlacedSample:
    return PlacedSample(f"sample-{number}", f"study-{number}", "p", "frontal", "train", "Text.", str(path), "1-1")


@pytest.fixture
def unit(tmp_path: Path) -> list[PlacedSample]:
    files = [
        picture(ramp(60, 40), "PNG"),
        b"",
        dicom(ramp(30, 20), 8),
        picture(ramp(60, 40), "JPEG")[:-60],
        None,
        png(60000, 60000),
        picture(ramp(200, 100), "JPEG"),
        b"text",
    ]
    for number, data in enumerate(files):
        if data is not None:
            (tmp_path / f"{number}.wrong-suffix").write_bytes(data)
    return [placed(tmp_path / f"{number}.wrong-suffix", number) for number in range(len(files))]


def test_every_sample_is_a_survivor_or_a_reject_in_order(unit: list[PlacedSample]) -> None:
    result = ingest_samples(unit, config(), 32)
    assert result.survivors == [0, 2, 6]
    assert [(r.input, r.study, r.reason) for r in result.rejects] == [
        ("sample-1", "study-1", "image-empty"),
        ("sample-3", "study-3", "image-truncated"),
        ("sample-4", "study-4", "image-missing"),
        ("sample-5", "study-5", "image-too-many-pixels"),
        ("sample-7", "study-7", "image-undecodable"),
    ]
    assert {(r.kind, r.stage) for r in result.rejects} == {("image", "ingest")}
    assert not any(os.sep in r.detail or "wrong-suffix" in r.detail for r in result.rejects)


def test_images_sizes_and_thumbs_belong_together(unit: list[PlacedSample]) -> None:
    result = ingest_samples(unit, config(), 32)
    assert result.sizes == [(48, 48), (30, 30), (48, 48)]
    assert result.thumbs.shape == (3, 32, 32)
    assert result.thumbs.dtype == np.uint8
    for image, size, thumb in zip(result.images, result.sizes, result.thumbs, strict=True):
        stored = np.asarray(Image.open(io.BytesIO(image)))
        assert stored.shape == size
        assert np.array_equal(thumb, resized(stored, 32))


def test_the_same_samples_give_the_same_bytes_alone_and_together(unit: list[PlacedSample]) -> None:
    whole = ingest_samples(unit, config(image_format="jpg"), 32)
    single = [ingest_samples([sample], config(image_format="jpg"), 32) for sample in unit]
    assert [image for one in single for image in one.images] == whole.images
    assert [r for one in single for r in one.rejects] == whole.rejects
    assert np.array_equal(np.concatenate([one.thumbs for one in single]), whole.thumbs)


def test_no_samples_are_no_trouble() -> None:
    result = ingest_samples([], config(), 32)
    assert (result.survivors, result.rejects, result.thumbs.shape) == ([], [], (0, 32, 32))


@pytest.mark.parametrize("error", [KeyError("PATIENT"), RuntimeError("PATIENT"), RecursionError(), ZeroDivisionError()])
def test_what_nobody_foresaw_is_one_reject(
    unit: list[PlacedSample], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(samples, "square", fail)
    rejects = ingest_samples(unit[:1], config(), 32).rejects
    assert [(r.reason, r.detail) for r in rejects] == [
        ("image-undecodable", f"the decoder failed ({type(error).__name__})")
    ]


@pytest.mark.parametrize("data", [dicom(ramp(), 8), picture(ramp(), "PNG")], ids=["DICOM", "PNG"])
def test_a_picture_for_which_the_memory_does_not_suffice_is_told_as_too_large(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(dicom_module, "stored_values", fail)
    monkeypatch.setattr(picture_module, "check_size", fail)
    with pytest.raises(ImageReject, match="image-too-many-pixels: the picture does not fit in memory"):
        samples.decode(data, config().ingest)


def test_a_failing_storage_stops_the_unit(unit: list[PlacedSample], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise ReadFailedError("the storage failed")

    monkeypatch.setattr(samples, "read_bytes", fail)
    with pytest.raises(ReadFailedError):
        ingest_samples(unit, config(), 32)


def test_the_next_files_are_read_while_one_is_decoded(
    unit: list[PlacedSample], monkeypatch: pytest.MonkeyPatch
) -> None:
    uris = [sample.uri for sample in unit]
    asked = {uri: threading.Event() for uri in uris}
    read, square, seen = samples.read_bytes, samples.stored_square, []

    def note(uri: str, limit: int) -> bytes:
        asked[uri].set()
        return read(uri, limit)

    def wait_for_the_next(uri: str, *rest: Any) -> Any:
        seen.append(uri)
        for later in uris[len(seen) : len(seen) + AHEAD]:
            assert asked[later].wait(30), "the files behind this one are not read before it is done"
        return square(uri, *rest)

    monkeypatch.setattr(samples, "read_bytes", note)
    monkeypatch.setattr(samples, "stored_square", wait_for_the_next)
    assert ingest_samples(unit, config(), 32).survivors == [0, 2, 6]
    assert seen == uris


def test_only_a_few_files_are_held_at_a_time(unit: list[PlacedSample], monkeypatch: pytest.MonkeyPatch) -> None:
    read, square, held, most = samples.read_bytes, samples.stored_square, set[str](), []

    def hold(uri: str, limit: int) -> bytes:
        held.add(uri)
        return read(uri, limit)

    def let_go(uri: str, *rest: Any) -> Any:
        most.append(len(held))
        try:
            return square(uri, *rest)
        finally:
            held.discard(uri)

    monkeypatch.setattr(samples, "read_bytes", hold)
    monkeypatch.setattr(samples, "stored_square", let_go)
    many = unit * 3
    ingest_samples(many, config(), 32)
    assert len(most) == len(many)
    assert max(most) <= AHEAD + 1


def test_what_a_worker_returns_or_raises_can_be_sent(unit: list[PlacedSample]) -> None:
    result = pickle.loads(pickle.dumps(ingest_samples(unit, config(), 32)))
    assert result.survivors == [0, 2, 6]
    error = pickle.loads(pickle.dumps(ImageReject("image-blank", "every pixel has the same value")))
    assert (error.reason, error.detail) == ("image-blank", "every pixel has the same value")


def test_decoders_are_silent_until_the_last_of_several_readers_is_done(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("PIL.Image")
    with caplog.at_level(logging.DEBUG):
        first, second = quiet(), quiet()
        first.__enter__()
        second.__enter__()
        log.error("PATIENT")
        first.__exit__(None, None, None)
        log.error("PATIENT")
        second.__exit__(None, None, None)
        log.error("heard again")
    assert [record.message for record in caplog.records] == ["heard again"]
