"""Which machine, GPU, Ray, encoder and models are usable with a configuration."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from medcutmix_pipeline.doctor.check import Check
from medcutmix_pipeline.errors import PipelineError
from medcutmix_pipeline.pipeline.machine import gpus_now, machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.schemas.config import Config

_GROUP = "usable"


def usable(config: Config) -> Iterator[Check]:
    """CPU and memory, GPUs, the configured encoder and the published ones at hand, the language model, Ray."""
    told = machine()
    cores = f"{told['cpus']} CPU{'s' if told['cpus'] > 1 else ''}"
    yield Check(_GROUP, "machine", "ok", f"{cores}, {told['memory'] / 2**30:.0f} GiB of memory")
    yield _gpu(config)
    yield _encoder(config)
    yield _models()
    yield _language(config)
    yield _ray(config)


def _gpu(config: Config) -> Check:
    import torch

    from medcutmix_pipeline.stages.attention.device import choose_device

    seen = torch.cuda.device_count()
    try:
        device = choose_device(config.attention.device)
    except PipelineError as why:
        return Check(_GROUP, "GPU", "problem", str(why), "set attention.device to auto or cpu")
    if seen:
        names = ", ".join(sorted({torch.cuda.get_device_name(n) for n in range(seen)}))
        return Check(_GROUP, "GPU", "ok", f"{seen} × {names}; attention runs on {device.type}")
    driver = gpus_now()
    if driver:
        remedy = "install a build of torch for your CUDA: https://pytorch.org/get-started"
        found = f"the driver tells of {len(driver)} × {driver[0].name}, torch {torch.__version__} sees none"
        return Check(_GROUP, "GPU", "note", found, remedy)
    return Check(_GROUP, "GPU", "ok", "none; attention runs on the CPU")


def _encoder(config: Config) -> Check:
    from medcutmix_pipeline.stages.attention.encoder import FIT, check_encoder

    attention = config.attention
    try:
        # The device has a check of its own.
        check_encoder(attention.model_copy(update={"device": "cpu"}))
    except PipelineError as why:
        return Check(_GROUP, "encoder", "problem", str(why), "`fit` needs no model: it is fitted on the corpus itself")
    if attention.encoder == FIT:
        return Check(_GROUP, "encoder", "ok", f"fit: fitted on the corpus itself, {attention.fit.steps} steps")
    return Check(_GROUP, "encoder", "ok", f"{attention.encoder} can be used")


def _models() -> Check:
    """Published models of a supported family that stand in the cache of the Hugging Face Hub."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    from medcutmix_pipeline.stages.attention.pretrained import FAMILIES

    found = []
    try:
        for repository in scan_cache_dir().repos:
            for revision in repository.revisions:
                cards = [f.file_path for f in revision.files if f.file_name == "config.json"]
                family = json.loads(cards[0].read_text()).get("model_type") if cards else None
                if family in FAMILIES:
                    found.append(repository.repo_id)
    except (CacheNotFound, OSError, ValueError):
        pass
    told = ", ".join(sorted(set(found))) or "none in the Hugging Face cache; a published name is downloaded"
    return Check(_GROUP, "models", "ok", told)


def _language(config: Config) -> Check:
    from medcutmix_pipeline.stages.pairing.excluded import check_excluded
    from medcutmix_pipeline.stages.sentences.opening import open_reader

    try:
        reader = open_reader(config.sentences)
        check_excluded(config.pairing, reader.findings)
    except PipelineError as why:
        remedy = "see sentences.model, sentences.lexicon and pairing.exclude"
        return Check(_GROUP, "language", "problem", str(why), remedy)
    model = config.sentences.model or "rules, no spaCy model"
    return Check(_GROUP, "language", "ok", f"{len(reader.findings)} findings; {model}")


def _ray(config: Config) -> Check:
    if config.engine.kind == "serial":
        return Check(_GROUP, "Ray", "ok", "not asked for: one process")
    remedy = "build with --engine serial, or see the cluster's documentation"
    try:
        from medcutmix_pipeline.pipeline.ray_engine import RayEngine

        with closing(RayEngine(config.engine, config.attention)) as engine:
            return Check(_GROUP, "Ray", "ok", engine.description)
    except PipelineError as why:
        return Check(_GROUP, "Ray", "problem", str(why), remedy)
    except Exception as why:  # whatever keeps Ray from starting keeps a build from it, too
        return Check(_GROUP, "Ray", "problem", f"it does not start ({type(why).__name__})", remedy)
