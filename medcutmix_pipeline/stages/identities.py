"""The names that studies, images and patients bear in the output, and the split that each patient falls into."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.hashing import keyed_unit, pseudonym

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import SplitsConfig

_KEY = re.compile(r"[A-Za-z0-9_-]{1,90}")  # a tar member's name has 100 bytes, with the longest suffix
_SPLIT = re.compile(r"[a-z0-9_]{1,32}")
_SPLIT_NAMES = {
    "valid": "validate",
    "val": "validate",
    "validation": "validate",
    "dev": "validate",
    "training": "train",
}


@dataclass(frozen=True)
class Identities:
    """Names by HMAC-SHA256 under a secret key; the source's own study and image names only where its terms make them
    public.

    Patients are pseudonymised always.
    """

    key: bytes
    public_ids: bool

    def patient(self, patient_id: str) -> str:
        """The pseudonym of a patient."""
        return "p-" + pseudonym(self.key, "patient", patient_id)

    def study(self, study_id: str) -> str:
        """The name of a study."""
        return self._name("s-", "study", study_id)

    def image(self, study_id: str, image_id: str) -> str:
        """The name of an image, which becomes its sample's key."""
        if self.public_ids and _KEY.fullmatch(image_id):
            return image_id
        return "i-" + pseudonym(self.key, "image", f"{len(study_id)}:{study_id}{image_id}")

    def _name(self, prefix: str, kind: str, identifier: str) -> str:
        if self.public_ids and _KEY.fullmatch(identifier):
            return identifier
        return prefix + pseudonym(self.key, kind, identifier)


def assign_split(named: str | None, patient_id: str, splits: SplitsConfig, seed: int) -> str | None:
    """The split of a patient: the source's where it names one, else by keyed hash of the patient.

    Returns None where the source's name for it cannot be a file name.
    """
    if named is None or not named.strip():
        return "train" if keyed_unit(seed, "split", patient_id) < splits.train else "validate"
    name = named.strip().lower()
    name = _SPLIT_NAMES.get(name, name)
    return name if _SPLIT.fullmatch(name) else None
