"""Names in the output: nobody can trace a patient, and a patient never stands in two splits."""

import re

from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.hashing import keyed_hash, keyed_unit
from medcutmix_pipeline.schemas.config import SplitsConfig
from medcutmix_pipeline.stages.identities import Identities, assign_split

KEY = bytes(range(32))


@given(st.text(min_size=1), st.text(min_size=1))
def test_names_are_tar_keys_and_hide_identifiers(study, image):
    hidden = Identities(KEY, public_ids=False)
    for name in (hidden.study(study), hidden.image(study, image), hidden.patient(study)):
        assert re.fullmatch(r"[sip]-[0-9a-f]{20}", name)
    assert Identities(bytes(32), public_ids=False).patient(study) != hidden.patient(study)


def test_public_names_stay_unless_they_cannot_be_keys():
    public = Identities(KEY, public_ids=True)
    assert public.image("CXR1", "CXR1_IM-0001-3001") == "CXR1_IM-0001-3001"
    assert public.image("CXR1", "a.b/c").startswith("i-")
    assert public.study("CXR1") == "CXR1"
    assert public.patient("CXR1").startswith("p-")


@given(st.text(), st.integers(0, 1 << 40))
def test_all_studies_of_a_patient_fall_into_one_split(patient, seed):
    splits = SplitsConfig()
    assert (
        assign_split(None, patient, splits, seed) == assign_split(" ", patient, splits, seed) in {"train", "validate"}
    )


def test_splits_have_their_shares():
    splits = SplitsConfig(train=0.8, validate=0.2)
    train = sum(assign_split(None, f"patient {n}", splits, 0) == "train" for n in range(5000))
    assert abs(train / 5000 - 0.8) < 4 * (0.8 * 0.2 / 5000) ** 0.5


@given(st.text(), st.text(), st.text())
def test_keyed_hashes_tell_where_one_name_ends(a, b, c):
    assert keyed_hash(0, "x", a + b, c) != keyed_hash(0, "x", a, b + c) or b == ""
    assert 0 <= keyed_unit(0, "x", a) < 1
