"""Whether the pipeline keeps its encoder busy: images a second inside a build, beside a bare loop over decoded batches.

    python -m benchmarks.attend                        a small CLIP with random weights on generated studies
    python -m benchmarks.attend --encoder FOLDER       a checkpoint of your own, on a GPU where there is one

The build's rate is taken between the first shard and the last, so that starting processes does not count; both rates
are of images that are asked about. Decoding, pairing and writing run beside the encoder, on the other cores.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import torch
from rich.console import Console
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from benchmarks.suite import Figure, run, side_by_side
from medcutmix_pipeline.pipeline import engine
from medcutmix_pipeline.pipeline.build import build
from medcutmix_pipeline.pipeline.progress import Reporter
from medcutmix_pipeline.pipeline.work import write_unit
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.sources.phantom import generate
from medcutmix_pipeline.stages.attention.encoder import load_encoder

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from medcutmix_pipeline.pipeline.layout import Outcome
    from medcutmix_pipeline.pipeline.work import Context, UnitTask
    from medcutmix_pipeline.stages.attention.encoder import Encoder
    from medcutmix_pipeline.stages.ingest.samples import Ingested
    from medcutmix_pipeline.stages.pairing.draft import Draft
    from medcutmix_pipeline.stages.plans.finish import Attended

Questions = tuple[np.ndarray, list[int], list[str]]
STUDIES, ROUNDS, SIDE = {"small": 160, "full": 1000}, {"small": 1, "full": 5}, 256
WIDTH, LAYERS = 256, 8
"""Of the small CLIP's image encoder."""
AT_LEAST = {"CPU": 0.9, "GPU": 0.85}
BUSY = """
import io
from PIL import Image
while True:
    file = io.BytesIO()
    Image.effect_noise((512, 512), 20).save(file, "JPEG", quality=90)
    Image.open(file).load()
"""
"""Decodes and encodes as the other processes of a build do, without an end."""


def save_clip(folder: Path, reports: list[str]) -> None:
    """A CLIP of random weights that reads 224 px in patches of 16, with a tokenizer of the reports' words."""
    words = sorted({word for report in reports for word in report.lower().replace(".", " . ").split()})
    tokenizer = Tokenizer(WordLevel({w: n for n, w in enumerate(["<pad>", "<unk>", "<s>", "</s>", *words])}, "<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    shape = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
    }
    text = {**shape, "num_hidden_layers": 2, "vocab_size": len(words) + 4, "eos_token_id": 3, "bos_token_id": 2}
    torch.manual_seed(0)
    CLIPModel(
        CLIPConfig(text_config=text, vision_config={**shape, "image_size": 224, "patch_size": 16})
    ).save_pretrained(folder)


def asked_by(config: Config, out: Path) -> dict[str, Questions]:
    """What a build asks its encoder, unit by unit: images uint8 [N, side, side], and the sentences with their images.

    More than what the shards keep in the end: maps of plans that are left out have to be seen first.
    """
    found: dict[str, Questions] = {}

    def noted(context: Context, task: UnitTask, ingested: Ingested, draft: Draft, attended: Attended) -> Outcome:
        samples = sorted({request.sample for request in draft.requests})
        place = {sample: n for n, sample in enumerate(samples)}
        index = [place[request.sample] for request in draft.requests]
        found[task.unit] = ingested.thumbs[samples], index, [request.sentence for request in draft.requests]
        return write_unit(context, task, ingested, draft, attended)

    serial = config.model_copy(update={"engine": config.engine.model_copy(update={"kind": "serial"})})
    with mock.patch.object(engine, "write_unit", noted), Reporter(Console(file=io.StringIO())) as reporter:
        build(serial, out, reporter, fresh=True)
    return found


def bare_rate(encoder: Encoder, shards: list[Questions]) -> float:
    """Images a second of the encoder alone."""
    started = time.perf_counter()
    for images, index, sentences in shards:
        encoder.attend(images, index, sentences)
    return sum(len(images) for images, _, _ in shards) / (time.perf_counter() - started)


def shared_rate(encoder: Encoder, shards: list[Questions]) -> float:
    """Images a second of the encoder alone while another process works on JPEGs: the cores share memory and clock."""
    with subprocess.Popen([sys.executable, "-c", BUSY]) as other:
        try:
            return bare_rate(encoder, shards)
        finally:
            other.kill()


def build_rate(config: Config, out: Path, asked: dict[str, int]) -> float:
    """Images a second of a build on Ray, between its first shard and its last."""
    with Reporter(Console(file=io.StringIO())) as reporter:
        build(config, out, reporter, fresh=True)
    ended = sorted((p.stat().st_mtime, p.stem) for p in (out / "shards").glob("*.tar"))
    return sum(asked[name] for _, name in ended[1:]) / (ended[-1][0] - ended[0][0])


def measure(told: argparse.Namespace) -> list[Figure]:
    # Ray lowers the priority of its workers, which on a machine with other work measures that work.
    os.environ.setdefault("RAY_worker_niceness", "0")
    config, out = prepared(told), told.work / "out"
    units = asked_by(config, out)
    encoder = load_encoder(config.attention, None)
    heard = [asked for asked in units.values() if len(asked[0])]
    counts = {name: len(images) for name, (images, _, _) in units.items()}
    bare_rate(encoder, heard[:2])
    rates = side_by_side(
        {
            "bare": lambda: bare_rate(encoder, heard),
            "shared": lambda: shared_rate(encoder, heard),
            "inside": lambda: build_rate(config, out, counts),
        },
        told.rounds or ROUNDS[told.size],
    )
    shutil.rmtree(out)
    on = "GPU" if torch.cuda.is_available() else "CPU"
    asked = sum(len(sentences) for _, _, sentences in units.values()) / sum(counts.values())
    return [
        rates["inside"].over(rates["bare"]).figure(f"inside the build ÷ bare loop, {on}", "×", at_least=AT_LEAST[on]),
        rates["shared"].over(rates["bare"]).figure("bare loop with the other core at work ÷ bare loop", "×"),
        rates["bare"].figure("bare loop over decoded batches, one encoder", "images/s"),
        rates["inside"].figure("inside the build, one encoder", "images/s"),
        Figure("images that are asked about", sum(counts.values()), ""),
        Figure("sentences asked of an image", asked, ""),
    ]


def prepared(told: argparse.Namespace) -> Config:
    """Studies, a small CLIP where no encoder is given, and the configuration of a build with one encoder."""
    root, clip = told.work / f"studies-{STUDIES[told.size]}", told.work / "clip"
    if not (root / "studies.csv").exists():
        shutil.rmtree(root, ignore_errors=True)
        generate(root, STUDIES[told.size], seed=0, size=SIDE)
    if not told.encoder:
        save_clip(clip, [path.read_text(encoding="utf-8") for path in (root / "reports").iterdir()])
    return Config.model_validate(
        {
            "source": {"kind": "phantom", "root": str(root)},
            "attention": {"encoder": told.encoder or str(clip)},
            "shards": {"samples_per_shard": 32, "image_size": SIDE},
            "engine": {"encoders": 1},
        }
    )


if __name__ == "__main__":
    run("attend", measure, __doc__, encoder="")
