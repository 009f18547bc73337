"""Whether the pipeline keeps its encoder busy: images a second inside a build, beside a bare loop over decoded batches.

    python -m benchmarks.attend                        a CLIP with random weights on generated studies: on a GPU, where
                                                       there is one, with a ViT-B/16 that reads 448 px; else a small one
    python -m benchmarks.attend --encoder FOLDER       a checkpoint of your own
    python -m benchmarks.attend --device cpu           not on the GPU

The build's rate is taken between the first shard and the last, so that starting processes does not count; both rates
are of images that are asked about. Decoding, pairing and writing run beside the encoder, on the other cores. The
encoder notes when it is asked and when it has answered: the rest of the time it waits for images.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
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

from benchmarks.attend_timed import ENCODER, LOG, calls_in
from benchmarks.suite import Figure, Measured, run, side_by_side
from medcutmix_pipeline.pipeline import engine
from medcutmix_pipeline.pipeline.build import build
from medcutmix_pipeline.pipeline.progress import Reporter
from medcutmix_pipeline.pipeline.work import write_unit
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.sources.phantom import generate
from medcutmix_pipeline.stages.attention.batched import BatchedEncoder
from medcutmix_pipeline.stages.attention.encoder import Attention, load_encoder

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from medcutmix_pipeline.pipeline.layout import Outcome
    from medcutmix_pipeline.pipeline.tasks import Context, UnitTask
    from medcutmix_pipeline.schemas.config import AttentionConfig
    from medcutmix_pipeline.stages.attention.encoder import Encoder
    from medcutmix_pipeline.stages.ingest.samples import Ingested
    from medcutmix_pipeline.stages.pairing.draft import Draft

Questions = tuple[np.ndarray, list[int], list[str]]
STUDIES = {"CPU": {"small": 160, "full": 1000}, "GPU": {"small": 2000, "full": 10_000}}
BARE_STUDIES = 1000
"""Studies whose images the bare loop gets, at most: it has all of them decoded in memory."""
ROUNDS, SIDE = {"small": 1, "full": 5}, 256
UNIT = {"CPU": 32, "GPU": 128}
AT_LEAST = {"CPU": 0.9, "GPU": 0.85}
SHAPES: dict[str, dict[str, dict[str, int]]] = {
    "CPU": {
        "vision_config": {"hidden_size": 256, "num_hidden_layers": 8, "num_attention_heads": 4, "image_size": 224},
        "text_config": {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4},
    },
    "GPU": {
        "vision_config": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 448},
        "text_config": {"hidden_size": 512, "num_hidden_layers": 12, "num_attention_heads": 8},
    },
}
"""Of the CLIP that is made where no encoder is given; that for a GPU has the shape of the published ViT-B/16."""
BUSY = """
import io
from PIL import Image
while True:
    file = io.BytesIO()
    Image.effect_noise((512, 512), 20).save(file, "JPEG", quality=90)
    Image.open(file).load()
"""
"""Decodes and encodes as the other processes of a build do, without an end."""


def save_clip(folder: Path, reports: list[str], shapes: dict[str, dict[str, int]]) -> None:
    """A CLIP of random weights that reads patches of 16, with a tokenizer of the reports' words."""
    words = sorted({word for report in reports for word in report.lower().replace(".", " . ").split()})
    tokenizer = Tokenizer(WordLevel({w: n for n, w in enumerate(["<pad>", "<unk>", "<s>", "</s>", *words])}, "<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    towers: dict[str, dict[str, int]] = {
        name: {**shape, "intermediate_size": 4 * shape["hidden_size"]} for name, shape in shapes.items()
    }
    towers["text_config"] |= {"vocab_size": len(words) + 4, "eos_token_id": 3, "bos_token_id": 2}
    towers["vision_config"] |= {"patch_size": 16}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(**towers)).save_pretrained(folder)


def asked_by(config: Config, out: Path) -> dict[str, Questions]:
    """What a build asks its encoder, unit by unit: images uint8 [N, side, side], and the sentences with their images.

    More than what the shards keep in the end: maps of plans that are left out have to be seen first.
    """
    found: dict[str, Questions] = {}

    def noted(context: Context, task: UnitTask, ingested: Ingested, draft: Draft, seen: Attention) -> Outcome:
        samples = sorted({request.sample for request in draft.requests})
        place = {sample: n for n, sample in enumerate(samples)}
        index = [place[request.sample] for request in draft.requests]
        found[task.unit] = ingested.thumbs[samples], index, [request.sentence for request in draft.requests]
        return write_unit(context, task, ingested, draft, seen)

    serial = config.model_copy(
        update={
            "engine": config.engine.model_copy(update={"kind": "serial"}),
            "source": config.source.model_copy(update={"limit": BARE_STUDIES}),
        }
    )
    with mock.patch.object(engine, "write_unit", noted), Reporter(Console(file=io.StringIO())) as reporter:
        build(serial, out, reporter, fresh=True)
    return found


def bare_rate(encoder: Encoder, shards: list[Questions]) -> float:
    """Images a second of the encoder alone."""
    started = time.perf_counter()
    for images, index, sentences in shards:
        encoder.attend(images, index, sentences)
    return sum(len(images) for images, _, _ in shards) / (time.perf_counter() - started)


def fresh_rate(config: AttentionConfig, shards: list[Questions], shared: bool = False) -> float:
    """As `bare_rate`, in a process of its own; with `shared`, while another works on JPEGs beside it.

    Processes differ by more than a tenth in how fast the same encoder is in them, by how their memory happens to lie;
    a build's encoder has a new one each time, and so has this.
    """
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        if shared:  # cores share memory and clock
            stack.callback(subprocess.Popen([sys.executable, "-c", BUSY]).kill)
        return pool.submit(_rate_here, config, shards).result()


def _rate_here(config: AttentionConfig, shards: list[Questions]) -> float:
    encoder = load_encoder(config, None)
    bare_rate(encoder, shards[:2])
    return bare_rate(encoder, shards)


class Builds:
    """Builds on Ray, and how their encoder spent the time between the first shard and the last."""

    def __init__(self, config: Config, out: Path) -> None:
        timed = config.attention.model_copy(update={"encoder": "benchmarks.attend_timed:Timed"})
        self._config, self._out = config.model_copy(update={"attention": timed}), out
        self._log = out.with_suffix(".calls")
        os.environ |= {ENCODER: config.attention.encoder, LOG: str(self._log)}
        self.at_work: list[float] = []
        self.in_calls: list[float] = []

    def rate(self) -> float:
        """Images a second of one more build."""
        self._log.unlink(missing_ok=True)
        with Reporter(Console(file=io.StringIO())) as reporter:
            build(self._config, self._out, reporter, fresh=True)
        ended = sorted(path.stat().st_mtime for path in (self._out / "shards").glob("*.tar"))
        began, finished = ended[0], ended[-1]
        seconds, images = calls_in(self._log, began, finished)
        self.at_work.append(seconds / (finished - began))
        self.in_calls.append(images / seconds)
        return images / (finished - began)


def tower_rate(encoder: BatchedEncoder[Any], batch: int) -> float:
    """Images a second of the image encoder alone on images that are on its GPU: what no loop can be ahead of."""
    side = encoder.image_size
    images = torch.rand(batch, 1, side, side, device=encoder.device)
    for passes in (3, 20):  # the first ones allocate
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(passes):
            encoder.encode_images(images)
        torch.cuda.synchronize()
    return passes * batch / (time.perf_counter() - started)


def measure(told: argparse.Namespace) -> list[Figure]:
    # Ray lowers the priority of its workers, which on a machine with other work measures that work.
    os.environ.setdefault("RAY_worker_niceness", "0")
    on = "CPU" if told.device == "cpu" or not torch.cuda.is_available() else "GPU"
    config, out = prepared(told, on), told.work / "out"
    units = asked_by(config, out)
    builds, heard = Builds(config, out), [asked for asked in units.values() if len(asked[0])]
    ways = {"bare": lambda: fresh_rate(config.attention, heard), "inside": builds.rate}
    if on == "CPU":
        ways["shared"] = lambda: fresh_rate(config.attention, heard, shared=True)
    rates = side_by_side(ways, told.rounds or ROUNDS[told.size])
    shutil.rmtree(out)
    bare, inside, calls = rates["bare"], rates["inside"], Measured(tuple(builds.in_calls))
    asked = sum(len(sentences) for _, _, sentences in units.values()) / sum(len(u[0]) for u in units.values())
    figures = [
        inside.over(bare).figure(f"inside the build ÷ bare loop, {on}", "×", at_least=AT_LEAST[on]),
        Measured(tuple(builds.at_work)).figure(f"inside the build: share of the time at work, {on}", ""),
        calls.over(bare).figure(f"inside the build: rate while at work ÷ bare loop, {on}", "×"),
        bare.figure(f"bare loop over decoded batches, one encoder, {on}", "images/s"),
        inside.figure(f"inside the build, one encoder, {on}", "images/s"),
        Figure("sentences asked of an image", asked, ""),
    ]
    if on == "CPU":
        other = rates["shared"].over(bare)
        figures.append(other.figure("bare loop with the other core at work ÷ bare loop", "×"))
    elif isinstance(encoder := load_encoder(config.attention, None), BatchedEncoder):
        alone = tower_rate(encoder, config.attention.batch)
        figures.append(
            Figure("bare loop ÷ image encoder alone on images in the GPU's memory", bare.median / alone, "×")
        )
    return figures


def prepared(told: argparse.Namespace, on: str) -> Config:
    """Studies, a CLIP where no encoder is given, and the configuration of a build with one encoder."""
    studies = STUDIES[on][told.size]
    root, clip = told.work / f"studies-{studies}", told.work / f"clip-{on}"
    if not (root / "studies.csv").exists() or not (root / "whole").exists():
        shutil.rmtree(root, ignore_errors=True)
        generate(root, studies, seed=0, size=SIDE, workers=os.cpu_count() or 1)
        (root / "whole").touch()
    if not told.encoder:
        save_clip(clip, [path.read_text(encoding="utf-8") for path in (root / "reports").iterdir()], SHAPES[on])
    return Config.model_validate(
        {
            "source": {"kind": "phantom", "root": str(root)},
            "attention": {"encoder": told.encoder or str(clip), "device": told.device},
            "shards": {"samples_per_shard": UNIT[on], "image_size": SIDE},
            "engine": {"encoders": 1},
        }
    )


if __name__ == "__main__":
    run("attend", measure, __doc__, encoder="", device="auto")
