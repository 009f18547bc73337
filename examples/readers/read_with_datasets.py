"""Reads a dataset's shards and tables with Hugging Face datasets.

python read_with_datasets.py DATASET
"""

import json
import sys
from pathlib import Path

import datasets

folder = Path(*sys.argv[1:])
if len(sys.argv) != 2 or not (folder / "dataset.json").is_file():
    raise SystemExit(f"name the folder of a finished dataset: python {sys.argv[0]} DATASET")
counts = json.loads((folder / "dataset.json").read_text())["counts"]
# The folder's README.md names the shards of each split and their features; any of its splits can be asked for by name.
splits = datasets.load_dataset(str(folder))
assert sum(len(split) for split in splits.values()) == counts["samples"]
first = splits["train"][0]
assert first["jpg"].size[0] == first["jpg"].size[1]
# The columns of labels are Parquet maps, which datasets does not know (DuckDB, pandas and pyarrow do); the bank of
# sentences has none.
bank = datasets.load_dataset("parquet", data_files=str(folder / "sentences" / "*.parquet"), split="train")
told = ", ".join(f"{name} {len(split)}" for name, split in splits.items())
print(f"datasets {datasets.__version__}: {told}, with columns {', '.join(splits['train'].column_names)}")
print(f"and a sentence bank of {len(bank)} mentions")
