"""How fast batches come: the loader beside webdataset, litData, mosaicml-streaming and bare decoding.

python benchmarks/loader.py --work FOLDER             all of them; FOLDER keeps what is made once
python benchmarks/loader.py --work FOLDER --no-peers  without litData and mosaicml-streaming

Some sixteen shards of 512 grey JPEGs of 448 px, quality 90, with plans of generated studies. Every way runs in a
process of its own, in another order in each round; rates are medians over rounds with the lowest and highest.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from medcutmix_pipeline.pipeline.build import build
from medcutmix_pipeline.pipeline.progress import Reporter
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.sources.phantom import generate
from medcutmix_pipeline.stages.shards.tar import read_tar, write_tar

HERE = Path(__file__).parent
SAMPLES, SIDE = 512, 448
STUDIES = 5600
SETTINGS = {
    "splits": {"train": 0.98, "validate": 0.02},
    "attention": {"fit": {"image_size": 64, "steps": 20, "batch": 16, "width": 16}},
    "shards": {"samples_per_shard": SAMPLES, "image_size": 96},
    "engine": {"kind": "serial"},
}
PEERS = ("litdata", "streaming")


def make_dataset(work: Path) -> None:
    """Small generated studies are built as ever; then their images are enlarged and given a film's grain."""
    if (work / "dataset" / "dataset.json").exists():
        return
    shutil.rmtree(work / "small", ignore_errors=True)
    generate(work / "small" / "studies", STUDIES, seed=7, size=96)
    config = {**SETTINGS, "source": {"kind": "phantom", "root": str(work / "small" / "studies")}}
    with Reporter(Console(stderr=True)) as reporter:
        build(Config.model_validate(config), work / "small" / "dataset", reporter)
    manifest = json.loads((work / "small" / "dataset" / "dataset.json").read_text())
    (work / "dataset" / "shards").mkdir(parents=True, exist_ok=True)
    shards = [shard for shard in manifest["shards"] if shard["split"] == "train"]
    for number, shard in enumerate(shards):
        samples = read_tar(work / "small" / "dataset" / "shards" / f"{shard['name']}.tar")
        rng = np.random.Generator(np.random.Philox(number))
        for _, files in samples:
            files["jpg"] = grained(files["jpg"], rng)
        out = io.BytesIO()
        write_tar(out, samples)
        (work / "dataset" / "shards" / f"{shard['name']}.tar").write_bytes(out.getvalue())
        shard["bytes"], shard["sha256"]["tar"] = len(out.getvalue()), hashlib.sha256(out.getvalue()).hexdigest()
    (work / "dataset" / "dataset.json").write_text(json.dumps({**manifest, "shards": shards}))
    shutil.rmtree(work / "small")


def grained(data: bytes, rng: np.random.Generator) -> bytes:
    """The image at 448 px with noise, as JPEG: as many bytes as a radiograph of that size has."""
    image = Image.open(io.BytesIO(data)).convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    noisy = np.asarray(image, np.float32) + 4.5 * rng.standard_normal((SIDE, SIDE), np.float32)
    out = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def peers_python(work: Path) -> Path:
    """The Python of an environment with litData and mosaicml-streaming and the images as they want them."""
    python = work / "peers" / "bin" / "python"
    if not python.exists():
        venv.create(work / "peers", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", HERE / "requirements-peers.txt"], check=True)
    if not (work / "streaming" / "index.json").exists():
        run = [python, HERE / "loader_runs.py", "prepare", "--work", work]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return python


def measured(python: Path | str, way: str, told: argparse.Namespace) -> list[float]:
    """Samples per second of each epoch."""
    command = [
        python,
        HERE / "loader_runs.py",
        way,
        "--work",
        told.work,
        "--batch",
        told.batch,
        "--epochs",
        told.epochs,
    ]
    path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]) if way == "MixLoader" else ""
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "PYTHONPATH": path},
    )
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-2000:]}")
    rates: list[float] = json.loads(done.stdout.strip().splitlines()[-1])
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the dataset and the peers' environment")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3, help="epochs in each process; the first is told apart")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    told.work = told.work.resolve()
    told.work.mkdir(parents=True, exist_ok=True)
    make_dataset(told.work)
    pythons: dict[str, Path | str] = dict.fromkeys(["MixLoader", "webdataset", "bare"], sys.executable)
    if not told.no_peers:
        pythons |= dict.fromkeys(PEERS, peers_python(told.work))
    load = os.getloadavg()[0]
    rates: dict[str, list[list[float]]] = {way: [] for way in pythons}
    for turn in range(told.rounds):
        order = list(pythons)
        shift = turn % len(order)
        for way in order[shift:] + order[:shift]:
            rates[way].append(measured(pythons[way], way, told))
    report = summary(rates)
    images = [path.stat().st_size for path in (told.work / "dataset" / "shards").iterdir()]
    print(f"{os.cpu_count()} cores, load {load:.2f} before; {len(images)} shards, {sum(images) >> 20} MiB")
    show(report)
    if told.json:
        told.json.write_text(json.dumps({"load": load, "rates": rates, "summary": report}, indent=1))


def summary(rates: dict[str, list[list[float]]]) -> dict[str, dict[str, float]]:
    """Of each way: medians of first and later epochs, spread, and the median ratio to others of the same round."""
    made = {}
    for way, rounds in rates.items():
        first, later = [r[0] for r in rounds], [statistics.median(r[1:]) for r in rounds]
        made[way] = {
            "first": statistics.median(first),
            "later": statistics.median(later),
            "lowest": min(later),
            "highest": max(later),
        }
        for other in ("webdataset", "bare"):
            beside = [statistics.median(r[1:]) for r in rates[other]]
            made[way][f"to {other}"] = statistics.median(a / b for a, b in zip(later, beside, strict=True))
    return made


def show(report: dict[str, dict[str, float]]) -> None:
    print(
        f"{'samples/s':12} {'1st epoch':>10} {'later':>8} {'(lowest–highest)':>18} {'× webdataset':>13} {'× bare':>7}"
    )
    for way, m in report.items():
        spread = f"({m['lowest']:.0f}–{m['highest']:.0f})"
        print(
            f"{way:12} {m['first']:10.0f} {m['later']:8.0f} {spread:>18} {m['to webdataset']:13.2f} {m['to bare']:7.2f}"
        )


if __name__ == "__main__":
    main()
