"""What belongs to an output, in a folder and in an object store, by name; and by what an output is known for ours."""

from __future__ import annotations

import json
import re

MANIFEST = "dataset.json"
"""Makes a dataset of the rest: written last, and removed before anything else is replaced."""

SIGN = ".build/medcutmix-pipeline"
"""Says, by its name and its content, that a build of ours works here."""

SIGNED = b"a build of medcutmix-pipeline\n"

CARD, RUN_REPORT = "README.md", "run.json"
DONE = ".build/done"
STATE = (DONE, ".build/candidates", ".build/rejects")
FOLDERS = ("shards", "plans", "samples", "sentences", "rejects", "pixel", "encoder", *STATE)

_PART, _UNIT = r"part-\d{5,}", r"[a-z]+-\d{6,}"
_BELONGS = re.compile(
    rf"(shards|pixel)/{_UNIT}\.tar"
    rf"|(plans|samples)/{_UNIT}\.parquet"
    rf"|(sentences|rejects|\.build/candidates)/{_PART}\.parquet"
    rf"|\.build/rejects/({_PART}|{_UNIT})\.parquet"
    r"|\.build/done/\w[^/]*\.json"
    r"|encoder/\w[^/]*"
    rf"|{re.escape(CARD)}|{re.escape(RUN_REPORT)}"
)


def belongs(name: str) -> bool:
    """Whether a build gives this name, relative to its output, to a file of a dataset or of its state.

    `dataset.json` is none of these: it comes and goes at moments of its own.
    """
    return _BELONGS.fullmatch(name) is not None


def is_our_manifest(content: bytes) -> bool:
    """Whether this is a `dataset.json` that a build wrote: other tools know files of that name, too."""
    try:
        manifest = json.loads(content)
    except ValueError:
        return False
    return isinstance(manifest, dict) and {"format_version", "tool_version", "shards"} <= manifest.keys()
