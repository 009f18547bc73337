"""The Arrow schemas: those of FORMAT (plans, samples, sentences, rejects) and those of the work in progress."""

from __future__ import annotations

import pyarrow as pa

_WORD = pa.dictionary(pa.int32(), pa.string())
_LABELS = pa.map_(pa.string(), pa.string())

PLANS = pa.schema(
    [
        ("plan_id", pa.string()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("host_id", pa.string()),
        ("donor_id", pa.string()),
        ("disease", _WORD),
        ("view", _WORD),
        ("host_sentence", pa.string()),
        ("donor_sentence", pa.string()),
        ("edits", pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32()), ("text", pa.string())]))),
        ("host_text", pa.string()),
        ("mixed_text", pa.string()),
        ("lambda", pa.float32()),
        ("map_area", pa.float32()),
        ("host_score", pa.float32()),
        ("donor_score", pa.float32()),
        ("host_labels", _LABELS),
        ("donor_labels", _LABELS),
        ("mixed_labels", _LABELS),
    ]
)

SAMPLES = pa.schema(
    [
        ("sample_id", pa.string()),
        ("study_id", pa.string()),
        ("patient_id", pa.string()),
        ("view", pa.string()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("text", pa.string()),
        ("labels", _LABELS),
        ("n_plans", pa.int32()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("image_height", pa.int32()),
        ("image_width", pa.int32()),
        ("sha256", pa.string()),
    ]
)

SENTENCES = pa.schema(
    [
        ("study_id", pa.string()),
        ("section", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("sentence", pa.string()),
        ("disease", pa.string()),
        ("assertion", pa.string()),
        ("mention", pa.string()),
        ("diagnostic", pa.bool_()),
    ]
)

# `kind` and `study` are optional additions to the format: they let a reader count images and studies apart.
REJECTS = pa.schema(
    [
        ("input", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("kind", pa.string()),
        ("study", pa.string()),
    ]
)

IMAGE_REF = pa.struct(
    [
        ("image_id", pa.string()),
        ("uri", pa.string()),
        ("view", pa.string()),
        ("fingerprint", pa.string()),
        ("problem", pa.string()),
        ("detail", pa.string()),
    ]
)

LISTING = pa.schema(
    [
        ("study_id", pa.string()),
        ("patient_id", pa.string()),
        ("images", pa.list_(IMAGE_REF)),
        ("report", pa.string()),
        ("report_uri", pa.string()),
        ("report_fingerprint", pa.string()),
        ("split", pa.string()),
        ("problem", pa.string()),
        ("detail", pa.string()),
    ]
)
"""Studies as the source lists them: work in progress, with the source's own identifiers; gone when a build is done."""

CANDIDATES = pa.schema(
    [
        ("sample_id", pa.string()),
        ("study_id", pa.string()),
        ("patient_id", pa.string()),
        ("view", pa.string()),
        ("split", pa.string()),
        ("text", pa.string()),
        (
            "findings",
            pa.list_(pa.int16()),
        ),  # present findings on which the sample may be matched, by place in the lexicon
        ("image", pa.int32()),  # place among all images of the listing part
        ("hash", pa.uint64()),  # keyed hash of the sample: its rank wherever samples are ordered by chance
    ]
)

PLACED = pa.schema(
    [
        ("sample_id", pa.string()),
        ("study_id", pa.string()),
        ("patient_id", pa.string()),
        ("view", pa.string()),
        ("split", pa.string()),
        ("text", pa.string()),
        ("uri", pa.string()),
        ("fingerprint", pa.string()),
    ]
)

TABLES = {"plans": PLANS, "samples": SAMPLES, "sentences": SENTENCES, "rejects": REJECTS}
"""The tables of a dataset, by the folder in which each stands."""
