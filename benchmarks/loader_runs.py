"""One way to read the benchmark's images, in a process of its own: prints the samples per second of each epoch as JSON.

Runs with torch and Pillow and the one library that is measured; benchmarks/loader.py starts it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

WORKERS = 2


def decoded(data: bytes) -> torch.Tensor:
    """The same decode for everybody who leaves it to us: uint8 [1, H, W]."""
    return torch.from_numpy(np.array(Image.open(io.BytesIO(data)).convert("L")))[None]


def pairs(work: Path):
    """(JPEG, report) of every sample, as bytes and text."""
    for path in sorted((work / "dataset" / "shards").glob("*.tar")):
        with tarfile.open(path) as tar:
            content = {info.name: tar.extractfile(info).read() for info in tar}
        for name, data in content.items():
            if name.endswith(".jpg"):
                yield data, content[name.removesuffix("jpg") + "txt"].decode()


def mix_loader(work: Path, batch: int):
    from medcutmix_pipeline.loader import MixLoader

    loader = MixLoader(work / "dataset", batch)

    def epoch(number: int) -> int:
        loader.set_epoch(number)
        return sum(len(one.images) for one in loader)

    return epoch


def undecoded(work: Path, batch: int):
    """The loader whose images stay black: what it does besides decoding."""
    from medcutmix_pipeline.loader.epochs import decoding

    decoding.decode_into = lambda *_, **__: None
    return mix_loader(work, batch)


def web_dataset(work: Path, batch: int):
    import webdataset

    shards = sorted(map(str, (work / "dataset" / "shards").glob("*.tar")))
    data = (
        webdataset.WebDataset(shards, shardshuffle=len(shards), empty_check=False)
        .shuffle(1000)
        .decode("l8", only=["jpg", "txt"])
        .to_tuple("jpg", "txt")
        .map_tuple(lambda image: torch.from_numpy(image)[None], lambda text: text)
        .batched(batch)
    )
    return _epochs(webdataset.WebLoader(data, batch_size=None, num_workers=WORKERS, persistent_workers=True))


def lit_data(work: Path, batch: int):
    import litdata

    class Images(litdata.StreamingDataset):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return decoded(sample["image"]), sample["text"]

    data = Images(str(work / "litdata"), shuffle=True)
    return _epochs(litdata.StreamingDataLoader(data, batch_size=batch, num_workers=WORKERS, persistent_workers=True))


def mosaic(work: Path, batch: int):
    import streaming

    class Images(streaming.StreamingDataset):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return decoded(sample["image"]), sample["text"]

    streaming.base.util.clean_stale_shared_memory()
    data = Images(local=str(work / "streaming"), batch_size=batch, shuffle=True)
    return _epochs(DataLoader(data, batch_size=batch, num_workers=WORKERS, persistent_workers=True))


def bare(work: Path, batch: int):
    """Images in memory, decoded as everybody does by as many threads as there are cores, and dropped."""
    return _dropped(work, lambda data, _: np.asarray(Image.open(io.BytesIO(data))))


def own(work: Path, batch: int):
    """The loader's floor: the same by the loader's decoder, into memory that is used again."""
    from medcutmix_pipeline.loader.reading.grey_jpeg import decode_grey_jpeg

    def decode(data: bytes, pixels: np.ndarray) -> None:
        if not decode_grey_jpeg(memoryview(data), pixels, pixels.size, resize=False):
            raise ValueError("an image is none that `build` writes")

    return _dropped(work, decode)


def _dropped(work: Path, decode):
    images = [data for data, _ in pairs(work)]
    threads = len(os.sched_getaffinity(0))
    with Image.open(io.BytesIO(images[0])) as image:
        shape = image.height, image.width

    def some(first: int) -> int:
        pixels = np.empty(shape, np.uint8)
        return len([decode(data, pixels) for data in images[first : first + 16]])

    def epoch(_: int) -> int:
        with ThreadPoolExecutor(threads) as executor:
            return sum(executor.map(some, range(0, len(images), 16)))

    return epoch


def _epochs(loader):
    def epoch(_: int) -> int:
        return sum(len(images) for images, *_ in loader)

    return epoch


def prepare(work: Path) -> None:
    """Write the images as litData and mosaicml-streaming want them, in files as large as the shards."""
    import litdata
    import streaming

    samples = [{"image": image, "text": text} for image, text in pairs(work)]
    litdata.optimize(dict, samples, output_dir=str(work / "litdata"), chunk_bytes="15MB", num_workers=1)
    columns = {"image": "bytes", "text": "str"}
    with streaming.MDSWriter(out=str(work / "streaming"), columns=columns, size_limit=15_000_000) as out:
        for sample in samples:
            out.write(sample)


def let_torchvision_in() -> None:
    """Mosaicml-streaming imports torchvision, whose wheel for CUDA misses its operators beside a torch for CPUs.

    Nothing here calls them; they are declared, one by one as its import asks for them.
    """
    for _ in range(10):
        try:
            import torchvision  # noqa: F401
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None:
                raise
            for module in [name for name in sys.modules if name.startswith("torchvision")]:
                del sys.modules[module]
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{missing[1]}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _KEPT.append(library)
        else:
            return


_KEPT: list[torch.library.Library] = []
WAYS = {
    "MixLoader": mix_loader,
    "undecoded": undecoded,
    "webdataset": web_dataset,
    "bare": bare,
    "own": own,
    "litdata": lit_data,
    "streaming": mosaic,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=[*WAYS, "prepare"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=5)
    told = parser.parse_args()
    torch.set_num_threads(1)
    if told.way in ("prepare", "litdata", "streaming"):
        let_torchvision_in()
    if told.way == "prepare":
        prepare(told.work)
        return
    epoch = WAYS[told.way](told.work, told.batch)
    rates = []
    for number in range(told.epochs):
        start = time.perf_counter()
        seen = epoch(number)
        rates.append(seen / (time.perf_counter() - start))
    print("\n" + json.dumps(rates), flush=True)
    os._exit(0) if told.way == "streaming" else sys.exit(0)


if __name__ == "__main__":
    main()
