"""Reads a dataset's shards with webdataset, as a trainer does that knows nothing of mix plans.

python read_with_webdataset.py DATASET
"""

import json
import sys
from pathlib import Path

import webdataset

folder = Path(*sys.argv[1:])
if len(sys.argv) != 2 or not (folder / "dataset.json").is_file():
    raise SystemExit(f"name the folder of a finished dataset: python {sys.argv[0]} DATASET")
shards = [str(path) for path in sorted((folder / "shards").glob("train-*.tar"))]
pairs = webdataset.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("jpg", "txt", "json", "__key__")
count = plans = 0
for image, text, record, key in pairs:
    assert image.size[0] == image.size[1], key
    assert text.strip(), key
    count += 1
    plans += len(record["plans"])
expected = [s for s in json.loads((folder / "dataset.json").read_text())["shards"] if s["split"] == "train"]
assert count == sum(s["samples"] for s in expected)
assert plans == sum(s["plans"] for s in expected)
print(f"webdataset {getattr(webdataset, '__version__', '0.2')}: {count} image-report pairs, {plans} plans")
