"""A radiologist's own lexicon: added, put in the place of ours, or wrong in a way that is told in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.stages.sentences import ReportReader
from medcutmix_pipeline.stages.sentences.phrases import PhraseError, PhraseTree, spellings

if TYPE_CHECKING:
    from pathlib import Path

HERNIA = """
[[findings]]
name = "Hiatal Hernia"
terms = ["[hiatal|hiatus] hernia(s)", "intrathoracic stomach"]

[[findings]]
name = "Emphysema"
terms = ["emphysema", "emphysematous [change(s)|lungs]"]
exclude = ["subcutaneous emphysema"]

[[findings]]
name = "Edema"
terms = ["wet lungs"]

[assertion.uncertain]
before = ["likely", "smacks of"]
"""


def reader_with(tmp_path: Path, text: str, mode: str = "extend") -> ReportReader:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return ReportReader(SentencesConfig.model_validate({"lexicon": str(path), "lexicon_mode": mode}))


def test_findings_and_phrases_are_added(tmp_path: Path) -> None:
    reader = reader_with(tmp_path, HERNIA)
    assert reader.findings[-3:] == ("Hiatal Hernia", "Emphysema", "No Finding")
    labels = reader.read("Large hiatus hernia. No emphysema. Subcutaneous emphysema. It smacks of wet lungs.").labels
    assert labels == {"Edema": "uncertain", "Hiatal Hernia": "present", "Emphysema": "absent"}


def test_ones_own_meaning_of_a_phrase_counts_before_ours(tmp_path: Path) -> None:
    assert reader_with(tmp_path, HERNIA).read("Likely edema.").labels["Edema"] == "uncertain"


def test_where_else_and_what_opens_a_statement_can_be_added(tmp_path: Path) -> None:
    own = '[assertion]\nattributes = ["gravity dependent"]\n[assertion.elsewhere]\nstudy = ["on the outside scout"]\n'
    text = "No pneumothorax, gravity dependent edema. Effusion, not seen on the outside scout."
    expected = {"Edema": "present", "Pneumothorax": "absent", "Pleural Effusion": "present"}
    assert reader_with(tmp_path, own).read(text).labels == expected
    assert ReportReader(SentencesConfig()).read("No pneumothorax, gravity dependent edema.").labels["Edema"] == "absent"


def test_replacing_leaves_only_ones_own_findings(tmp_path: Path) -> None:
    reader = reader_with(tmp_path, HERNIA, "replace")
    assert reader.findings == ("Hiatal Hernia", "Emphysema", "Edema", "No Finding")
    assert reader.read("No hiatal hernia. Pneumothorax.").labels == {"Hiatal Hernia": "absent", "No Finding": "present"}


def test_the_fourteen_are_the_default(tmp_path: Path) -> None:
    assert len(ReportReader(SentencesConfig()).findings) == 14


def test_the_digest_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, same = reader_with(tmp_path / "a", HERNIA), reader_with(tmp_path / "b", HERNIA)
    other = reader_with(tmp_path / "a", HERNIA.replace("wet lungs", "soggy lungs"))
    assert first.lexicon_sha256 == same.lexicon_sha256
    assert len({first.lexicon_sha256, other.lexicon_sha256, ReportReader(SentencesConfig()).lexicon_sha256}) == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("findings = 3", "findings"),
        ("[[findings]]\nterms = ['x']", "name"),
        ("[[findings]]\nname = 'Hernia'\nterm = ['x']", '"Hernia".term'),
        ("[[findings]]\nname = 'Hernia'\nterms = ['a [b|c']", "square brackets"),
        ("[[findings]]\nname = 'Hernia'\nterms = ['[a]?']", "cannot be left out"),
        ("[[findings]]\nname = 'Hernia'\nterms = ['" + " ".join(["[a|b|c|d]"] * 9) + "']", "spellings"),
        ("[assertion.maybe]\nbefore = ['x']", "assertion.maybe"),
        ("this is no toml", "not valid TOML"),
    ],
)
def test_a_wrong_file_gives_one_line_with_file_entry_and_problem(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        reader_with(tmp_path, text)
    message = str(error.value)
    assert "own.toml" in message
    assert problem in message
    assert "\n" not in message


def test_a_missing_file_and_a_missing_model_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.toml: cannot be read"):
        ReportReader(SentencesConfig(lexicon=str(tmp_path / "gone.toml")))
    with pytest.raises(UsageError, match="no_such_model"):
        ReportReader(SentencesConfig(model="no_such_model"))


def test_replace_without_findings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one"):
        reader_with(tmp_path, "", "replace")


def test_notation() -> None:
    assert spellings("effusion(s)") == ["effusion", "effusions"]
    assert spellings("[left|right]? lung") == ["left lung", "right lung", "lung"]
    assert spellings("no [evidence|sign(s)] of") == ["no evidence of", "no sign of", "no signs of"]
    for wrong in ("", "[a", "a]", "[a|]", "[a]?"):
        with pytest.raises(PhraseError):
            spellings(wrong)


def test_the_longest_phrase_wins_and_fillers_may_stand_inside() -> None:
    tree: PhraseTree[str] = PhraseTree()
    tree.add("not", "not")
    tree.add("not excluded", "doubt")
    tree.add("not entirely normal", "abnormal")
    fillers = frozenset({"entirely"})
    assert tree.find(["not", "entirely", "excluded"], fillers) == [(0, 3, "doubt")]
    assert tree.find(["not", "entirely", "normal"], fillers) == [(0, 3, "abnormal")]
    assert tree.find(["not", "entirely", "clear"], fillers) == [(0, 1, "not")]
