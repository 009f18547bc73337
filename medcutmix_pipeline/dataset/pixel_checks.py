"""Checks of a shard's pixel mixes against what its plans make of its images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.dataset.problems import Problem, expect
from medcutmix_pipeline.dataset.shard_checks import TarSample, check_image, each_member
from medcutmix_pipeline.stages.pixel.mix import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from medcutmix_pipeline.schemas.manifest import PixelFacts

_CLOSE = {"png": 0.1, "jpg": 0.1, "webp": 1.0}
"""Grey levels, in the mean, by which a mix may differ from one made anew, because other processors round otherwise and
other releases of Pillow encode otherwise; WebP's encoder decides more than JPEG's."""


def check_mixes(
    path: Path,
    told: PixelFacts,
    wanted: Iterable[tuple[str, Mapping[str, bytes]]],
    texts: Mapping[str, str],
    problems: list[Problem],
) -> set[str]:
    """Compare the mixes of a tar, one by one, with the same mixes made anew; returns the keys that the tar has.

    Args:
        told: what dataset.json tells of them.
        wanted: the mixes that the shard's plans give, in order.
        texts: the mixed report of each plan of the shard.
        problems: what is wrong is added to it.
    """
    shard = f"pixel/{path.name}"
    keys: set[str] = set()
    expected = iter(wanted)
    for mix in each_member(path, problems):
        keys.add(mix.key)
        key, files = next(expected, ("", {}))
        if mix.key != key:
            problems.append(Problem(f"{shard}/{mix.key}", "is not the mix of the plan whose turn it is"))
            return keys
        problems.extend(_check_mix(mix, files, texts, f"{shard}/{key}"))
    if next(expected, None) is not None:
        problems.append(Problem(shard, "has no mix of a plan that should have one"))
    counted = (len(keys), path.stat().st_size)
    problems.extend(
        expect(counted == (told.mixes, told.bytes), shard, "tar and dataset.json disagree on how much there is")
    )
    return keys


def _check_mix(mix: TarSample, wanted: Mapping[str, bytes], texts: Mapping[str, str], where: str) -> Iterator[Problem]:
    if set(mix.files) != set(wanted):
        yield Problem(where, f"must have {', '.join('.' + suffix for suffix in sorted(wanted))}, and nothing else")
        return
    record = json.loads(wanted["json"])
    yield from expect(json.loads(mix.files["json"]) == record, where, "the record is not that of its plan")
    yield from expect(
        mix.files["txt"].decode() == texts[record["plan_id"]], where, "the .txt is not the mixed report of its plan"
    )
    [suffix] = set(wanted) - {"json", "txt"}
    if mix.files[suffix] == wanted[suffix]:
        return
    anew = decoded(wanted[suffix])
    damage = list(check_image(mix.files[suffix], (anew.shape[1], anew.shape[0]), where))
    yield from damage
    if not damage:
        far = float(np.abs(decoded(mix.files[suffix]).astype(np.float32) - anew).mean())
        yield from expect(
            far <= _CLOSE[suffix], where, f"the image is not the mix of its plan: off by {far:.2f} grey levels"
        )
