"""One way from image files to tars of small images, in a process of its own: prints images and seconds as JSON.

benchmarks/images.py starts it: `build` and `bare` with the project's Python, `ray-data` and `img2dataset` with that of
the peers. All take the same files to 448 px, quality 90, and to shards of equally many images, on all cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from medcutmix_pipeline.stages.attention.encoder import Attention

SIDE, QUALITY = 448, 90
CORES = len(os.sched_getaffinity(0))
CLEAR = "The lungs are clear. There is no effusion."
EFFUSIONS = tuple(
    f"There is a {size} {side} pleural effusion." for size in ("small", "large") for side in ("left", "right")
)
ONE_IN = 16
"""One study in so many has a finding, so that the build has plans to make; the others only images."""


class Middle:
    """An encoder that looks at the middle of every image, at no cost: what is measured is not attention."""

    id, sha256, image_size = "middle", "0" * 64, 32

    def __init__(self, _: object) -> None:
        pass

    def attend(self, images: np.ndarray, image_index: list[int], sentences: list[str]) -> Attention:
        import numpy as np

        from medcutmix_pipeline.stages.attention.encoder import Attention

        maps = np.zeros((len(sentences), 14, 14), np.float32)
        maps[:, 4:10, 4:10] = 1
        return Attention(maps, np.full(len(sentences), 0.5, np.float32))


def build(paths: list[Path], out: Path, unit: int) -> int:
    """The build itself, on a Ray of its own."""
    from rich.console import Console

    from medcutmix_pipeline.pipeline.build import build as run_build
    from medcutmix_pipeline.pipeline.progress import Reporter
    from medcutmix_pipeline.schemas.config import Config

    config = Config.model_validate(
        {
            "source": {"kind": "manifest", "root": str(_table(paths))},
            "splits": {"train": 1.0, "validate": 0.0},
            "ingest": {"studies_per_part": max(64, min(1024, len(paths) // (4 * CORES)))},
            "attention": {"encoder": "benchmarks.images_runs:Middle"},
            "shards": {"samples_per_shard": unit, "image_size": SIDE, "quality": QUALITY},
            "engine": {"workers": CORES},
        }
    )
    with Reporter(Console(file=sys.stderr)) as reporter:
        run_build(config, out, reporter)
    return int(json.loads((out / "dataset.json").read_text())["counts"]["samples"])


def _table(paths: list[Path]) -> Path:
    """The images as a manifest beside their folder: a study and a patient for each, with a report."""
    folder = paths[0].parent
    lines = ["image,report,study_id,patient_id,view"]
    for number, path in enumerate(paths):
        report = CLEAR if number % ONE_IN else EFFUSIONS[number // ONE_IN % len(EFFUSIONS)]
        lines.append(f"{folder.name}/{path.name},{report},s{number},p{number},frontal")
    table = folder.with_suffix(".csv")
    table.write_text("\n".join(lines) + "\n")
    return table


def bare(paths: list[Path], out: Path, unit: int) -> int:
    """The same steps by the same functions in a bare loop of processes: what nothing around them would cost."""
    import multiprocessing

    out.mkdir()
    units = [(paths[start : start + unit], out / f"{start:06d}.tar") for start in range(0, len(paths), unit)]
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        return sum(pool.imap_unordered(_bare_unit, units))


def _bare_unit(unit: tuple[list[Path], Path]) -> int:
    import io

    from medcutmix_pipeline.schemas.config import IngestConfig
    from medcutmix_pipeline.stages.shards.tar import write_tar

    paths, final = unit
    config, samples = IngestConfig(), []
    for path in paths:
        record = json.dumps({"sample_id": path.stem, "maps": [], "plans": []}).encode()
        samples.append((path.stem, {"jpg": small(path.read_bytes(), config), "txt": CLEAR.encode(), "json": record}))
    tar = io.BytesIO()
    write_tar(tar, samples)
    temporary = final.with_suffix(".part")
    with temporary.open("wb") as file:
        file.write(tar.getbuffer())
        digest = hashlib.sha256(tar.getbuffer()).hexdigest()
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(final)
    final.with_suffix(".json").write_text(json.dumps({"sha256": digest}))
    return len(paths)


def small(data: bytes, config: Any) -> bytes:
    """An image file as it is stored: the project's own decoding, resizing and encoding."""
    from medcutmix_pipeline.stages.ingest import decode, encode, square

    return encode(square(decode(data, config, at_least=SIDE), SIDE, "pad"), "jpg", QUALITY)


def ray_data(paths: list[Path], out: Path, unit: int) -> int:
    """Ray Data: files → the project's decoding, resizing and encoding → `write_webdataset`."""
    import ray

    ray.init(address="local", num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    files = ray.data.read_binary_files(
        [str(path) for path in paths], include_paths=True, override_num_blocks=-(-len(paths) // unit)
    )
    files.map(_row).write_webdataset(str(out), encoder=None)
    return _images(out)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    from medcutmix_pipeline.schemas.config import IngestConfig

    key = Path(row["path"]).stem
    return {"__key__": key, "jpg": small(row["bytes"], IngestConfig()), "txt": CLEAR, "json": "{}"}


def img2dataset(paths: list[Path], out: Path, unit: int, threads: int = 16) -> int:
    """img2dataset on `file://` addresses, so that nothing is downloaded; it decodes and resizes in its own way."""
    from img2dataset import download

    listed = out.parent / "urls.csv"
    listed.write_text("url,caption\n" + "".join(f"file://{path},{CLEAR}\n" for path in paths))
    download(
        url_list=str(listed),
        input_format="csv",
        url_col="url",
        caption_col="caption",
        output_format="webdataset",
        output_folder=str(out),
        image_size=SIDE,
        resize_mode="border",
        encode_quality=QUALITY,
        number_sample_per_shard=unit,
        processes_count=CORES,
        thread_count=threads,
        compute_hash="sha256",
        extract_exif=False,
    )
    return _images(out)


def _images(out: Path) -> int:
    """How many images the tars of a folder hold."""
    import tarfile

    count = 0
    for path in out.glob("*.tar"):
        with tarfile.open(path) as tar:
            count += sum(name.endswith(".jpg") for name in tar.getnames())
    return count


WAYS = {"build": build, "bare": bare, "ray-data": ray_data, "img2dataset": img2dataset}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--images", type=Path, required=True, help="folder of the files")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--unit", type=int, required=True, help="images in a shard")
    told = parser.parse_args()
    paths = sorted(told.images.iterdir())[: told.count]
    way = partial(WAYS[told.way], paths, told.out, told.unit)
    start = time.perf_counter()
    images = way()
    seconds = time.perf_counter() - start
    report = told.out / "run.json"  # of a build: its stage `shards` is what all other ways do
    path = json.loads(report.read_text())["stages"]["shards"]["seconds"] if report.exists() else seconds
    print("\n" + json.dumps({"images": images, "seconds": seconds, "path": path}))


if __name__ == "__main__":
    main()
