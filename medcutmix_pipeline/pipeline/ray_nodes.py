"""Asking every node of a Ray cluster something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_PATIENCE = 120.0  # seconds; a process has to start there, and import


def ask_nodes(look: Callable[[Question], Answer], question: Question, otherwise: Answer) -> dict[str, Answer]:
    """What `look` returns for the question on each node that is alive, by the node's address and Ray's id of it.

    Args:
        otherwise: the answer of a node on which it cannot be asked, because the package there lacks it.

    Raises:
        UsageError: a node does not answer.
    """
    asked = {_ask(look, question, node["NodeID"]): _label(node) for node in ray.nodes() if node["Alive"]}
    _, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_PATIENCE)
    if silent:
        raise _silence(asked[silent[0]])
    answers = {}
    for ref, label in asked.items():
        try:
            answers[label] = ray.get(ref)
        except ray.exceptions.RayTaskError:
            answers[label] = otherwise
        except ray.exceptions.RayError:
            raise _silence(label) from None
    return answers


def _ask(look: Callable[[Question], Answer], question: Question, node: str) -> ray.ObjectRef[Answer]:
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    remote: Any = ray.remote(num_cpus=0)(look)
    ref: ray.ObjectRef[Answer] = remote.options(scheduling_strategy=there).remote(question)
    return ref


def _label(node: dict[str, str]) -> str:
    return f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})"


def _silence(label: str) -> UsageError:
    return UsageError(f"the node {label} does not answer: look at it with `ray status`, and start it again or end it")
