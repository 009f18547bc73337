"""The forward hook that mixes one layer's features, and what it needs of a plan."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from medcutmix_pipeline.loader.mixing.features import first_tensor, with_first_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.loader.mixing.features import Expected
    from medcutmix_pipeline.loader.mixing.mix import AttentiveManifoldMix
    from medcutmix_pipeline.loader.plan import MixPlan

# Names that wrappers of torch put between a model and its layers.
WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})


@dataclass(frozen=True)
class Step:
    """What the mix of one step needs of its plan, on the device of the features.

    Attributes:
        donor, active, lam, donor_map, host_map: as in `MixPlan`.
        hosts: int64 [M], the active rows.
    """

    donor: Tensor
    active: Tensor
    lam: Tensor
    donor_map: Tensor
    host_map: Tensor
    hosts: Tensor

    @classmethod
    def of(cls, plan: MixPlan) -> Step | None:
        """The step of a plan; None where the plan mixes nothing. On a GPU, a plan that is still on the CPU is quicker.

        The active rows are listed here and not in the layer, where a compiled graph would depend on their number.
        """
        hosts = plan.active.nonzero()[:, 0]
        if len(hosts) == 0:
            return None
        return cls(plan.donor, plan.active, plan.lam, plan.donor_map, plan.host_map, hosts)

    def to(self, device: torch.device) -> Step:
        """The same step on another device."""
        if self.donor.device == device:
            return self
        held = (self.donor, self.active, self.lam, self.donor_map, self.host_map, self.hosts)
        # To the CPU a copy has to be waited for, else its bytes are read before they are there.
        return Step(*(t.to(device, non_blocking=device.type != "cpu") for t in held))


class LayerHook:
    """Mixes what one layer gives, while its mix says so. A copy of the model without its mix does nothing."""

    def __init__(self, mix: AttentiveManifoldMix | None = None, expected: Expected | None = None) -> None:
        self.mix = mix
        self.expected = expected

    def __reduce__(self) -> tuple[Any, ...]:
        # The copy of a model, such as a moving average or a checkpoint, is nobody's to mix, and must not drag along
        # the mix and its plan. Where the mix is copied along, it finds its hooks and takes them on again.
        return (LayerHook, (None, self.expected))

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """The forward hook: None, so that the layer's own output stays, or the output with mixed features."""
        if self.mix is None or self.expected is None:
            return None
        if not module.training:
            self.mix.unmixed.ran_in_eval(self.mix.course.now, self.expected.layer, output)
            return None
        step = self.mix.course.step_of(self.expected.layer)
        if step is None:
            return None
        features = first_tensor(output)
        if features is None or not features.is_floating_point():
            raise ValueError(
                f"layer {self.expected.layer!r} gives {type(output).__name__}, in which there are no features to mix: "
                "choose a layer that gives a tensor, a tuple that begins with one, or last_hidden_state"
            )
        return with_first_tensor(output, self._mixed(features, step, self.mix, self.expected))

    @staticmethod
    def _mixed(features: Tensor, step: Step, mix: AttentiveManifoldMix, expected: Expected) -> Tensor:
        height, width = step.donor_map.shape[-2:]
        layout = expected.resolve(features.shape, len(step.donor), (height, width))
        step = mix.course.at_features(step, features.device, layout.grid)
        weights = mix.weights_at(step, layout.grid)
        axis = layout.row_axis
        append = mix.mode == "append"
        hosts = features.index_select(axis, step.hosts) if append else features
        donors = features.index_select(axis, step.donor[step.hosts] if append else step.donor)
        spread = layout.spread(weights[step.hosts] if append else weights).to(features.dtype)
        # lerp is host + w · (donor − host) in one pass. The choice keeps to the bit what takes nothing, such as -0.0,
        # and keeps a donor's infinity or NaN out of it: 0 · inf would be NaN.
        mixed = torch.where(spread != 0, torch.lerp(hosts, donors, spread), hosts)
        return torch.cat([features, mixed], axis) if append else mixed


def find_layers(model: nn.Module, asked: Sequence[str]) -> list[str]:
    """The full names of layers that are asked for with or without the names of wrappers around the model.

    Raises:
        ValueError: no layer, a layer twice, or a name that the model does not have, with names like it.
    """
    modules = dict(model.named_modules())
    plain: dict[str, str] = {}
    for name in modules:
        plain.setdefault(_unwrapped(name), name)
    found = []
    for name in asked:
        full = name if name in modules else plain.get(_unwrapped(name))
        if full is None:
            ends = [n for n in plain if n.endswith(f".{name}")]
            near = (ends + difflib.get_close_matches(name, list(plain), n=3, cutoff=0.5))[:3]
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ValueError(f"the model has no layer {name!r}{hint}")
        found.append(full)
    if not found or len(set(found)) < len(found):
        raise ValueError("layers must name at least one layer, and none twice")
    return found


def device_of(module: nn.Module, model: nn.Module) -> torch.device | None:
    """Where the features of a module will be, as far as parameters tell; None where they do not."""
    for held in (module, model):
        for parameter in held.parameters():
            # On `meta` they wait to be loaded, and what is sent there is lost.
            return None if parameter.is_meta else parameter.device
    return None


def within_wrappers(model: nn.Module) -> nn.Module:
    """The model itself, without the wrappers around it, whose `training` need not be the model's."""
    alike: list[nn.Module] = [module for name, module in model.named_modules() if not _unwrapped(name)]
    return alike[-1]


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)
