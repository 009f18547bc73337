"""`python -m tools.pictures DATASET FOLDER`: plans, and the page that shows them. Generated studies only."""

from __future__ import annotations

import sys
from pathlib import Path

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.pictures.sheet import sheet
from tools.pictures.plans import plain_plan
from tools.pictures.report import report_pictures

SHEETS = {"plan.jpg": ("Consolidation",), "plans.jpg": ("Lung Lesion", "Pleural Effusion")}


def main(dataset: Path, folder: Path) -> None:
    """Draw the pictures of a dataset into a folder."""
    opened = Dataset(dataset)
    if opened.manifest.source.kind != "phantom":
        raise SystemExit("the repository shows generated studies only: give a dataset of phantom studies")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = ((name, sheet([plain_plan(opened, f) for f in findings])) for name, findings in SHEETS.items())
    for name, picture in (*drawn, *report_pictures(opened)):
        if name.endswith(".png"):  # flat colours, few of them
            picture.quantize(64).save(folder / name, optimize=True)
        else:
            picture.save(folder / name, quality=76, subsampling=0, optimize=True)
        print(f"{folder / name}: {picture.width} x {picture.height}, {(folder / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
