"""Writes the pairs of shards as image files and a table, for trainers that read files.

    python export_pairs.py --out pairs DATASET/shards/train-*.tar DATASET/pixel/train-*.tar

`pairs/images/KEY.jpg` and `pairs/pairs.csv`, with the columns that GLoRIA, MGCA, CARZero and CheXzero ask for (see
docs/trainers.md); needs nothing but the standard library. The reports are as confidential there as in the shards.
"""

import argparse
import csv
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

KEY = re.compile(r"[\w-][\w.-]{0,200}")
COLUMNS = [
    "Path",
    "Frontal/Lateral",
    "ViewPosition",
    "Split",
    "split",
    "Report Impression",
    "impression",
    "findings",
    "xinhuo",
]


def samples(shard: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, members by suffix) of a shard's samples."""
    key, members = "", {}
    with tarfile.open(shard) as tar:
        for info in tar:
            name, _, suffix = info.name.partition(".")
            if not (info.isfile() and KEY.fullmatch(name)):
                raise SystemExit(f"{shard} is no shard of pairs: it holds something other than KEY.suffix files")
            if name != key and members:
                yield key, members
                members = {}
            key = name
            members[suffix] = tar.extractfile(info).read()
    if members:
        yield key, members


def main() -> None:
    """Export the shards that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", nargs="+", help="tar files")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    images = args.out / "images"
    if args.out.exists():
        raise SystemExit(f"{args.out} exists: name a new folder")
    images.mkdir(parents=True)
    with (args.out / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for shard in args.shards:
            for key, members in samples(shard):
                suffix = next(s for s in ("jpg", "png", "webp") if s in members)
                (images / f"{key}.{suffix}").write_bytes(members[suffix])
                record, report = json.loads(members["json"]), members["txt"].decode()
                frontal = record["view"] == "frontal"
                split = {"validate": "valid"}.get(record["split"], record["split"])
                table.writerow(
                    {
                        # GLoRIA and MGCA replace the first folder by that of their data; CARZero takes it as it is.
                        "Path": f"{args.out.name}/images/{key}.{suffix}",
                        "Frontal/Lateral": "Frontal" if frontal else "Lateral",
                        "ViewPosition": "PA" if frontal else "LATERAL",
                        "Split": split,
                        "split": split,
                        "Report Impression": report,
                        "impression": report,
                        "findings": " ",  # MGCA joins both columns; an empty one would be read as not a number
                        "xinhuo": "",  # CARZero's column of a translation
                    }
                )


if __name__ == "__main__":
    main()
