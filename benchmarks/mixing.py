"""What the mix costs: a training step without it, with it, and with a second forward pass of the donors' images.

    python -m benchmarks.mixing                        ResNet-50 at 224 px and ViT-S/16, on the CPU and a GPU if there
    python -m benchmarks.mixing --models vit --batch 32 --steps 20 --device cpu

A step is forward, loss and backward on random images; every row of the batch is mixed. The three kinds of step follow
each other in turns, each round in another order; printed are medians, quartiles, and the median over rounds of the
ratio to the step without the mix in the same round, by the clock and in CPU time, which other work on the machine
disturbs less (with OMP_NUM_THREADS=1: waiting threads count as well). The naive way runs the donors' images through
the encoder up to the mixing layer, with gradients, to have features that stand in the same batch already. The target
is a ratio of 1.03.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import TYPE_CHECKING

import torch
import transformers

from medcutmix_pipeline.loader.batch import MixPlan
from medcutmix_pipeline.loader.mixing.mix import AttentiveManifoldMix
from medcutmix_pipeline.loader.mixing.weights import mix_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

TARGET = 1.03


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


def timed(step: Callable[[], Tensor], model: nn.Module, device: str) -> tuple[float, float]:
    """Seconds by the clock, and of CPU time."""
    model.zero_grad(set_to_none=True)
    clock, cpu = time.perf_counter(), time.process_time()
    step().float().square().mean().backward()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - clock, time.process_time() - cpu


def measure(kind: str, size: int, batch: int, steps: int, device: str) -> None:
    torch.manual_seed(0)
    title, make = MODELS[kind]
    model, layer = make(size)
    model.train().to(device)
    images, plan = torch.randn(batch, 3, size, size, device=device), plan_of(batch, device)
    mix = AttentiveManifoldMix(model, layer)

    def plain() -> Tensor:
        return encoded(model, images)

    def mixed() -> Tensor:
        with mix(plan):
            return encoded(model, images)

    ways = {"without mix": plain, "with mix": mixed, "second pass": lambda: naive(model, layer, images, plan)}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for round_ in range(-2, steps):
        names = list(ways)
        turn = round_ % len(names)
        # Forwards and backwards in turn, so that no way always follows the same other.
        for name in (names[turn:] + names[:turn])[:: 1 if round_ % 2 else -1]:
            seconds = timed(ways[name], model, device)
            if round_ >= 0:
                taken[name].append(seconds)
    print(f"\n{title}, {size} px, batch {batch}, {device}, mixed at {layer}, {steps} rounds")
    for name, both in taken.items():
        low, middle, high = (1000 * q for q in statistics.quantiles([clock for clock, _ in both], n=4))
        by_clock, by_cpu = (_ratio(both, taken["without mix"], which) for which in (0, 1))
        print(
            f"  {name:12s} {middle:9.1f} ms (quartiles {low:.1f} to {high:.1f})   "
            f"× {by_clock} by the clock   × {by_cpu} in CPU time"
        )


def _ratio(ours: list[tuple[float, float]], plain: list[tuple[float, float]], which: int) -> str:
    """The median over rounds of the ratio within a round, with its quartiles."""
    low, middle, high = statistics.quantiles([a[which] / b[which] for a, b in zip(ours, plain, strict=True)], n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="What the mix costs in a training step.")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=12, help="rounds")
    parser.add_argument("--device", nargs="+", default=["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"])
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    for device in options.device:
        for kind in options.models:
            measure(kind, options.size, options.batch, options.steps, device)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end; the target for the step with the mix is × {TARGET}")


if __name__ == "__main__":
    main()
