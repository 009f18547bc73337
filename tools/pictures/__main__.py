"""`python -m tools.pictures DATASET FOLDER`: a plan, and plans for several findings. Generated studies only."""

from __future__ import annotations

import sys
from pathlib import Path

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.pictures.sheet import sheet
from tools.pictures.plans import plain_plan

SHEETS = {"plan.jpg": ("Consolidation",), "plans.jpg": ("Lung Lesion", "Pleural Effusion")}


def main(dataset: Path, folder: Path) -> None:
    """Draw the pictures of a dataset into a folder."""
    opened = Dataset(dataset)
    if opened.manifest.source.kind != "phantom":
        raise SystemExit("the repository shows generated studies only: give a dataset of phantom studies")
    folder.mkdir(parents=True, exist_ok=True)
    for name, findings in SHEETS.items():
        picture = sheet([plain_plan(opened, finding) for finding in findings])
        picture.save(folder / name, quality=84, subsampling=0, optimize=True)
        print(f"{folder / name}: {picture.width} x {picture.height}, {(folder / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
