"""What the mix costs: a training step without it, with it, and with a second forward pass of the donors' images.

    python -m benchmarks.mixing                 ResNet-50 at 224 px and ViT-S/16, on the CPU and a GPU if there is one
    python -m benchmarks.mixing --models vit --batch 32 --device cpu

A step is forward, loss and backward on random images; every row of the batch is mixed. The kinds of step follow each
other in turns, each round in another order; ratios are of steps of the same round. The second pass runs the donors'
images through the encoder up to the mixing layer, with gradients, to have features that stand in the same batch
already. On the CPU torch has one thread, so that no step waits for a core that another process holds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
import transformers

from benchmarks.suite import run, side_by_side
from medcutmix_pipeline.loader.mixing.mix import AttentiveManifoldMix
from medcutmix_pipeline.loader.mixing.weights import mix_weights
from medcutmix_pipeline.loader.plan import MixPlan

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from torch import Tensor, nn

    from benchmarks.suite import Figure

SIDE = 224
BATCH = {"cpu": 4, "cuda": 64}
ROUNDS = {"cpu": {"small": 2, "full": 30}, "cuda": {"small": 50, "full": 200}}


class _Reached(Exception):  # noqa: N818 -- no error: it ends a forward pass at the mixing layer
    """Carries the features of the layer that was reached."""


def resnet50(size: int) -> tuple[nn.Module, str]:
    return transformers.ResNetModel(transformers.ResNetConfig()), "encoder.stages.2"


def vit_small(size: int) -> tuple[nn.Module, str]:
    config = transformers.ViTConfig(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, intermediate_size=1536, image_size=size
    )
    model = transformers.ViTModel(config)
    return model, next(n for n, _ in model.named_modules() if n.endswith(("layers.6", "layer.6")))


MODELS = {"resnet": ("ResNet-50", resnet50), "vit": ("ViT-S/16", vit_small)}


def plan_of(rows: int, device: str) -> MixPlan:
    place = torch.arange(rows)
    plan = MixPlan(
        donor=place.roll(1),
        active=torch.ones(rows, dtype=torch.bool),
        lam=torch.rand(rows),
        donor_map=torch.randint(0, 256, (rows, 14, 14), dtype=torch.uint8),
        host_map=torch.randint(0, 256, (rows, 14, 14), dtype=torch.uint8),
        study=place,
        findings=torch.zeros(rows, 0, dtype=torch.bool),
    )
    return plan.to(device)


def encoded(model: nn.Module, images: Tensor) -> Tensor:
    features: Tensor = model(images).last_hidden_state
    return features


def naive(model: nn.Module, layer: str, images: Tensor, plan: MixPlan) -> Tensor:
    """The output under a mix whose donors' features come from a second pass up to the layer."""
    module = model.get_submodule(layer)

    def stop(module: nn.Module, inputs: object, output: Tensor) -> None:
        raise _Reached(output)

    handle = module.register_forward_hook(stop)
    try:
        model(images[plan.donor])
    except _Reached as reached:
        donors: Tensor = reached.args[0]
    finally:
        handle.remove()
    weights = spread(donors, plan)
    handle = module.register_forward_hook(lambda m, i, out: torch.lerp(out, donors, weights.to(out.dtype)))
    try:
        return encoded(model, images)
    finally:
        handle.remove()


def spread(features: Tensor, plan: MixPlan) -> Tensor:
    """Weights in the shape of features [B, C, H, W] or [B, 1 + N, C]."""
    side = features.shape[-1] if features.ndim == 4 else int((features.shape[1] - 1) ** 0.5)
    weights = mix_weights(plan.donor_map, plan.host_map, plan.lam, plan.active, (side, side))
    if features.ndim == 4:
        return weights[:, None].expand_as(features)
    return torch.nn.functional.pad(weights.flatten(1), (1, 0))[..., None].expand_as(features)


def timed(step: Callable[[], Tensor], model: nn.Module, device: str) -> float:
    """Seconds of a step with its backward pass."""
    model.zero_grad(set_to_none=True)
    start = time.perf_counter()
    step().float().square().mean().backward()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def steps_of(kind: str, told: argparse.Namespace, device: str) -> list[Figure]:
    """The figures of one model on one device."""
    torch.manual_seed(0)
    title, make = MODELS[kind]
    model, layer = make(SIDE)
    model.train().to(device)
    batch = told.batch or BATCH[device]
    images, plan = torch.randn(batch, 3, SIDE, SIDE, device=device), plan_of(batch, device)
    mix = AttentiveManifoldMix(model, layer)

    def mixed() -> Tensor:
        with mix(plan):
            return encoded(model, images)

    steps: dict[str, Callable[[], Tensor]] = {
        "plain": lambda: encoded(model, images),
        "mixed": mixed,
        "second": lambda: naive(model, layer, images, plan),
    }
    ways = {name: lambda step=step: timed(step, model, device) for name, step in steps.items()}
    side_by_side(ways, 1)  # the first steps allocate
    taken = side_by_side(ways, told.rounds or ROUNDS[device][told.size])
    where = f"{title}, {SIDE} px, batch {batch}, {'GPU' if device == 'cuda' else 'one CPU thread'}"
    return [
        taken["mixed"].over(taken["plain"]).figure(f"step with the mix ÷ without, {where}", "×", at_most=1.03),
        taken["second"].over(taken["plain"]).figure(f"step with a second pass for the donors ÷ without, {where}", "×"),
        taken["plain"].figure(f"step without the mix, {where}", "s"),
    ]


def measure(told: argparse.Namespace) -> list[Figure]:
    torch.set_num_threads(1)
    devices = [told.device] if told.device else ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    models = told.models.split(",") if told.models else list(MODELS)
    return [figure for device in devices for kind in models for figure in steps_of(kind, told, device)]


if __name__ == "__main__":
    run("mixing", measure, __doc__, models="", batch=0, device="")
