"""Findings on which nothing is matched: a name that means none is told, or what was meant would be matched."""

import pytest

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import PairingConfig
from medcutmix_pipeline.stages.pairing.excluded import check_excluded
from tests.builds import run_build

FINDINGS = ("Edema", "Pleural Effusion", "Fracture")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Edma", "did you mean Edema?"),
        ("pleural effusion", "did you mean Pleural Effusion?"),
        ("Foo", "there are Edema, Pleural Effusion, Fracture"),
    ],
)
def test_a_name_that_is_no_finding_is_a_mistake(name, told):
    with pytest.raises(UsageError) as error:
        check_excluded(PairingConfig(exclude=("Edema", name)), FINDINGS)
    assert str(error.value) == f"pairing.exclude: {name} is no finding of the lexicon; {told}"


def test_the_default_goes_with_any_lexicon():
    check_excluded(PairingConfig(), ("Gout",))
    check_excluded(PairingConfig(exclude=()), ())


def test_a_build_tells_it_before_anything_is_written(studies, tmp_path):
    with pytest.raises(UsageError, match=r"pairing\.exclude: Edma"):
        run_build(studies, tmp_path / "out", pairing={"exclude": ["Edma"]})
    assert not (tmp_path / "out").exists()
