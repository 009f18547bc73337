"""The parts of the suite, in the order in which they run. A new part is a module of this package and a line here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Part:
    """One part: `python -m benchmarks.NAME`."""

    name: str
    """Of its module, of its result `results/NAME.json`, and of what is said of it in `notes/NAME.md`."""
    title: str
    """The heading of its table."""
    seconds: int
    """What its small size may take on two cores; after four times that it is given up."""
    peers: tuple[str, ...] = ()
    """The environments of `requirements/` that it compares with."""
    openi: Literal["no", "better", "needed"] = "no"
    """Whether it reads the Open-I data set, where `--openi` gives one."""
    named_only: bool = False
    """Whether the suite's small size leaves it out unless it is named: what it tells is meant for `docs/scale.md`."""

    def runs(self, size: str, openi: bool) -> bool:
        """Whether the suite runs it without being asked for it by name."""
        return (openi or self.openi != "needed") and not (size == "small" and self.named_only)


PARTS = (
    Part("images", "Build, image path", 150, peers=("img2dataset", "ray-data")),
    Part("storage", "Storage", 50),
    Part("placing", "Placing and pairing", 50),
    Part("whole", "Whole build, and resume", 80),
    Part("schedule", "What the stages of a build cost", 90, named_only=True),
    Part("sentences", "Reading reports", 70, peers=("language",), openi="better"),
    Part("loader", "Loader", 80, peers=("streams",)),
    Part("mixing", "Mixing module", 45),
    Part("attend", "Encoder actors", 70),
    Part("language", "How well reports are read", 60, peers=("language",), openi="needed"),
    Part("view", "Frontal or lateral, by the picture alone", 60, openi="needed"),
    Part("pointing", "Where attention points", 300, openi="needed"),
    Part("partners", "Who meets whom", 300, openi="needed"),
)


def part_of(name: str) -> Part | None:
    """The part of this name, None where no such part is registered."""
    return next((part for part in PARTS if part.name == name), None)
