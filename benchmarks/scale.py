"""What builds cost on clusters, reckoned from the results of the suite: the tables of docs/scale.md.

python -m benchmarks.scale            print them
python -m benchmarks.scale --write    write them into the page, between its marks

Costs of shards are those of benchmarks/schedule.py and benchmarks/images.py, one core each; how they run beside each
other on a cluster is simulated (benchmarks/schedule_sim.py). What belongs to the cluster is assumed, by options.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import fields
from pathlib import Path

from benchmarks.scale_inputs import MILLIONS, MIMIC, Assumed, Measures, measures
from benchmarks.scale_tables import assumptions, ceilings, costs, inputs, schedule
from benchmarks.suite import RESULTS

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"

SECTIONS = {
    "inputs": inputs,
    "assumptions": assumptions,
    "costs": costs,
    "ceilings": ceilings,
    "mimic": lambda told, assumed: schedule(MIMIC, told, assumed),
    "millions": lambda told, assumed: schedule(MILLIONS, told, assumed),
}
"""The parts of the page that are written here, by the names in its marks."""


def filled(page: str, told: Measures, assumed: Assumed) -> str:
    """The page with every section anew.

    Raises:
        ValueError: the page has no marks for a section.
    """
    marks = {name: re.compile(rf"(<!-- begin: {name} -->\n).*?(<!-- end: {name} -->)", re.S) for name in SECTIONS}
    for name, marked in marks.items():
        if not marked.search(page):
            raise ValueError(f"{PAGE.name} has no marks for {name}")
    for name, write in SECTIONS.items():
        text = write(told, assumed)
        page = marks[name].sub(lambda found, text=text: f"{found[1]}\n{text}\n\n{found[2]}", page)
    return page


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    for field in fields(Assumed):
        kind = int if isinstance(field.default, int) else float
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    asked = parser.parse_args()
    assumed = Assumed(**{field.name: getattr(asked, field.name) for field in fields(Assumed)})
    told = measures(asked.results)
    if told.missing:
        print("these results are missing; run their parts with --size full --json benchmarks/results/PART.json:")
        print("\n".join(f"  {line}" for line in told.missing))
        return 1
    if asked.write:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), told, assumed), encoding="utf-8")
    else:
        print("\n\n".join(write(told, assumed) for write in SECTIONS.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
