"""The short way through the stage says what the spaCy components say."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.stages.sentences import ReportReader
from medcutmix_pipeline.stages.sentences.direct import DirectReader
from medcutmix_pipeline.stages.sentences.engine import shared_engine
from medcutmix_pipeline.stages.sentences.lexicon import load_lexicon
from medcutmix_pipeline.stages.sentences.pipeline import build_pipeline, read_sentences
from medcutmix_pipeline.stages.sentences.sections import shared_finder
from medcutmix_pipeline.stages.sentences.wording import WordingReader
from tests.stages.sentences.test_safety import PIECES

CONFIG = SentencesConfig()
LAYERS = load_lexicon(CONFIG)
WORDING = WordingReader(LAYERS)
NLP = build_pipeline(CONFIG)
DIRECT = DirectReader(NLP.tokenizer, shared_finder(LAYERS), shared_engine(LAYERS), WORDING)
WRITTEN = st.lists(PIECES.filter(lambda piece: len(piece) < 200), max_size=30)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(WRITTEN.map(" ".join), WRITTEN.map("\n".join), st.text(max_size=200)))
def test_the_direct_reader_gives_the_sentences_of_the_components(text: str) -> None:
    direct = DIRECT.sentences(text)
    assume(direct is not None)
    assert direct == tuple(read_sentences(NLP(text), WORDING))


@pytest.mark.parametrize(
    "text",
    [
        "FINDINGS: 1. Don't see an effusion, cannot exclude a 3-mm nodule. 2) Air-space disease/atelectasis.",
        "FINDINGS: The heart is mildly enlarged; stable cardiomegaly.\n\nIMPRESSION: No pneumothorax vs. skin fold.",
        "INDICATION: effusion. FINDINGS: Small left effusion.",
    ],
)
def test_reports_as_they_are_written_take_the_direct_way(text: str) -> None:
    direct = DIRECT.sentences(text)
    assert direct is not None
    assert any(sentence.mentions for sentence in direct)
    assert direct == tuple(read_sentences(NLP(text), WORDING))


@pytest.mark.parametrize("text", ["Old PTX.No effusion.", "FINDINGS:Effusion.", f"Effusion {'x' * 300}."])
def test_a_word_that_reaches_over_a_boundary_and_a_run_that_is_no_word_are_left_to_the_components(text: str) -> None:
    assert DIRECT.sentences(text) is None
    assert [m.disease for s in ReportReader(CONFIG).read(text).sentences for m in s.mentions][-1] == "Pleural Effusion"


RUNS = st.one_of(
    st.from_regex(r"[A-Za-z]{1,6}[,.]{0,2}", fullmatch=True),
    st.from_regex(r"[a-z]+[,.;:)]?", fullmatch=True),
    st.sampled_from(sorted(NLP.tokenizer._base.rules)).flatmap(
        lambda rule: st.sampled_from([rule, f"{rule},", f"{rule}."])
    ),
).filter(lambda run: " " not in run)


@settings(max_examples=500, deadline=None)
@given(RUNS)
def test_words_that_are_not_asked_about_are_split_as_the_tokeniser_splits_them(run: str) -> None:
    assert NLP.tokenizer.pieces(run) == [(token.text, token.idx) for token in NLP.tokenizer(run)]


def test_no_contraction_is_taken_for_a_plain_word() -> None:
    for rule in NLP.tokenizer._base.rules:
        for run in (rule, f"{rule},", f"{rule}."):
            if " " not in run:
                assert NLP.tokenizer.pieces(run) == [(token.text, token.idx) for token in NLP.tokenizer(run)]
