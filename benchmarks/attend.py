"""Whether the pipeline keeps its encoder busy: images a second inside a build, beside a bare loop over decoded batches.

python benchmarks/attend.py                        a small CLIP with random weights, 600 generated studies
python benchmarks/attend.py --encoder FOLDER       a checkpoint of your own, on a GPU where there is one

The build's rate is taken between the first shard and the last, so that starting processes does not count; both rates
are of images that are asked about. Decoding, pairing and writing run beside the encoder, on the other cores.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from medcutmix_pipeline.pipeline.build import build
from medcutmix_pipeline.pipeline.progress import Reporter
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.sources.phantom import generate
from medcutmix_pipeline.stages.attention.encoder import load_encoder
from medcutmix_pipeline.stages.ingest.squares import resized


def save_clip(folder: Path, reports: list[str], width: int, layers: int) -> None:
    """A CLIP of random weights that reads 224 px in patches of 16, with a tokenizer of the reports' words."""
    words = sorted({word for report in reports for word in report.lower().replace(".", " . ").split()})
    tokenizer = Tokenizer(WordLevel({w: n for n, w in enumerate(["<pad>", "<unk>", "<s>", "</s>", *words])}, "<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    shape = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
    }
    text = {**shape, "num_hidden_layers": 2, "vocab_size": len(words) + 4, "eos_token_id": 3, "bos_token_id": 2}
    torch.manual_seed(0)
    CLIPModel(
        CLIPConfig(text_config=text, vision_config={**shape, "image_size": 224, "patch_size": 16})
    ).save_pretrained(folder)


def questions(shard: Path, side: int) -> tuple[np.ndarray, list[int], list[str]]:
    """A shard's images that were asked about, uint8 [N, side, side], and the sentences with their images."""
    images, index, sentences = [], [], []
    with tarfile.open(shard) as tar:
        members = {m.name: m for m in tar}
        for name in (n for n in members if n.endswith(".json")):
            record = json.load(tar.extractfile(members[name]))
            if record["maps"]:
                picture = tar.extractfile(members[name.removesuffix("json") + "jpg"]).read()
                index += [len(images)] * len(record["maps"])
                sentences += [m["sentence"] for m in record["maps"]]
                images.append(resized(np.asarray(Image.open(io.BytesIO(picture))), side))
    return np.stack(images), index, sentences


def bare_rate(encoder, shards: list[tuple[np.ndarray, list[int], list[str]]]) -> float:
    started = time.perf_counter()
    for images, index, sentences in shards:
        encoder.attend(images, index, sentences)
    return sum(len(images) for images, _, _ in shards) / (time.perf_counter() - started)


def build_rate(config: Config, out: Path, asked: dict[str, int]) -> float:
    with Reporter(Console(file=io.StringIO())) as reporter:
        build(config, out, reporter, fresh=True)
    ended = sorted((p.stat().st_mtime, p.stem) for p in (out / "shards").glob("*.tar"))
    return sum(asked[name] for _, name in ended[1:]) / (ended[-1][0] - ended[0][0])


def main() -> None:
    parser = argparse.ArgumentParser(description="How busy the pipeline keeps its encoder.")
    parser.add_argument("--encoder", help="a checkpoint; default a small CLIP of random weights")
    parser.add_argument("--studies", type=int, default=600)
    parser.add_argument("--width", type=int, default=256, help="of the small CLIP")
    parser.add_argument("--layers", type=int, default=8, help="of the small CLIP")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    # Ray lowers the priority of its workers, which on a machine with other work measures that work.
    os.environ.setdefault("RAY_worker_niceness", "0")
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "studies", Path(folder) / "out"
        generate(root, asked.studies, seed=0, size=256)
        encoder = asked.encoder
        if encoder is None:
            encoder = str(Path(folder) / "clip")
            save_clip(Path(encoder), [p.read_text() for p in (root / "reports").iterdir()], asked.width, asked.layers)
        config = Config.model_validate(
            {
                "source": {"kind": "phantom", "root": str(root)},
                "attention": {"encoder": encoder},
                "shards": {"samples_per_shard": 32, "image_size": 256},
                "engine": {"encoders": 1},
            }
        )
        with Reporter(Console(file=io.StringIO())) as reporter:
            build(config, out, reporter)
        loaded = load_encoder(config.attention, None)
        shards = {p.stem: questions(p, loaded.image_size) for p in sorted((out / "shards").glob("*.tar"))}
        counts = {name: len(images) for name, (images, _, _) in shards.items()}
        bare_rate(loaded, list(shards.values())[:2])
        bare, inside = [], []
        for _ in range(asked.repeats):
            bare.append(bare_rate(loaded, list(shards.values())))
            inside.append(build_rate(config, out, counts))
    ratios = [i / b for i, b in zip(inside, bare, strict=True)]
    device = "GPU" if torch.cuda.is_available() else f"one thread of {os.cpu_count()} cores"
    print(f"{sum(counts.values())} images in {len(counts)} shards, encoder on {device}")
    print(f"bare loop          {statistics.median(bare):7.1f} images/s ({min(bare):.1f} to {max(bare):.1f})")
    print(f"inside the build   {statistics.median(inside):7.1f} images/s ({min(inside):.1f} to {max(inside):.1f})")
    print(f"ratio              {statistics.median(ratios):7.2f} ({min(ratios):.2f} to {max(ratios):.2f}), goal 0.9")
    if asked.json:
        asked.json.write_text(json.dumps({"bare": bare, "inside": inside}))


if __name__ == "__main__":
    main()
