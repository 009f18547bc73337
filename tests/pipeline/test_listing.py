"""Listing a source: no patient in two splits, whatever the source says."""

from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.pipeline.listing import with_one_split_a_patient
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.schemas.records import Study
from medcutmix_pipeline.stages.identities import assign_split


def listed(*told):
    studies = [Study(f"s{n}", patient, (), split=split) for n, (patient, split) in enumerate(told)]
    return list(with_one_split_a_patient(studies, Config()))


def test_a_study_of_another_split_than_its_patient_is_rejected():
    first, second, third = listed(("p", "train"), ("p", "test"), ("q", "test"))
    assert (first.split, second.problem, third.split, third.problem) == ("train", "split-conflict", "test", None)


def test_a_study_without_a_split_goes_with_its_patient():
    assert [s.split for s in listed(("p", "test"), ("p", None))] == ["test", "test"]


def test_an_unusable_study_decides_nothing():
    bad = Study("s0", "p", (), split="test", problem="report-unreadable")
    good = Study("s1", "p", (), split="train")
    assert list(with_one_split_a_patient([bad, good], Config())) == [bad, good]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "train", "validate", "test"])), max_size=12))
def test_no_patient_is_in_two_splits_and_no_study_vanishes(told):
    studies = listed(*told)
    assert [(s.study_id, s.patient_id) for s in studies] == [(f"s{n}", patient) for n, (patient, _) in enumerate(told)]
    usable = [s for s in studies if s.problem is None]
    config = Config()
    splits = {(s.patient_id, assign_split(s.split, s.patient_id, config.splits, config.seed)) for s in usable}
    assert len(splits) == len({s.patient_id for s in studies})
