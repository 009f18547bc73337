"""scispaCy's tokeniser, with the two splits that reports need, and the words of a sentence."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from spacy.tokens import Doc
from spacy.util import compile_infix_regex, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from spacy.language import Language

LONGEST_RUN = 256
"""Longer runs without a space are no words; the tokeniser's rules would take quadratic time on them."""

TEXT = "medcutmix_text"
"""Key of the text in `doc.user_data`: spaCy puts `doc.text` together anew each time it is asked for."""

_RUN = re.compile(rf"\S{{{LONGEST_RUN}}}")
_PIECE = re.compile(rf"\S{{1,{LONGEST_RUN - 1}}}|[^\S ]+| +")
_WORD = re.compile(r"[A-Za-z]+,?|[a-z]+\.")
_EXTRA_INFIXES = (r"(?<=[A-Za-z]{2})\.(?=[A-Z][a-z])", r"(?<=[A-Za-z]{3})/(?=[A-Za-z]{3})")


class ReportTokenizer:
    """scispaCy's tokeniser, which leaves "PTX.No" and "pneumonia/atelectasis" whole, with these two split."""

    def __init__(self, nlp: Language) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # scispaCy's patterns, on each import
            from scispacy.custom_tokenizer import combined_rule_tokenizer

            self._base: Any = combined_rule_tokenizer(nlp)
            infixes = self._base.infix_finditer.__self__.pattern
            self._base.infix_finditer = compile_infix_regex([*_EXTRA_INFIXES, infixes]).finditer
        self._rules = frozenset(self._base.rules)
        self.vocab = nlp.vocab

    def pieces(self, run: str) -> list[tuple[str, int]]:
        """The tokens of a run of characters without a space, and where each begins in it.

        Most runs are a word, perhaps with a comma or a full stop, about which nothing need be asked: spaCy takes many
        times as long, and keeps every word that it has met.
        """
        word = run.rstrip(",.")
        if _WORD.fullmatch(run) is None or run in self._rules or word in self._rules:
            return [(token.text, token.idx) for token in self(run)]
        return [(word, 0)] if word == run else [(word, 0), (run[-1], len(word))]

    def __call__(self, text: str) -> Doc:
        """Tokenise; time linear in the text, whatever the text."""
        try:
            doc = self._tokenize(text)
        except UnicodeEncodeError:  # halves of characters: spaCy's strings are UTF-8
            doc = self._tokenize(text.encode("utf-8", "replace").decode("utf-8"))
        doc.user_data[TEXT] = text
        return doc

    def pipe(self, texts: Iterable[str], batch_size: int = 1000) -> Iterator[Doc]:
        """Tokenise many texts; `batch_size` is there for spaCy and has no meaning here."""
        yield from map(self, texts)

    def _tokenize(self, text: str) -> Doc:
        if len(text) < LONGEST_RUN or _RUN.search(text) is None:
            doc: Doc = self._base(text)
            return doc
        return self._plain(text)

    def _plain(self, text: str) -> Doc:
        words: list[str] = []
        spaces: list[bool] = []
        for match in _PIECE.finditer(text):
            piece = match.group()
            if piece[0] != " ":
                words.append(piece)
                spaces.append(False)
                continue
            rest = piece
            if words and not spaces[-1]:
                spaces[-1], rest = True, piece[1:]
            if rest:
                words.append(rest)
                spaces.append(False)
        return Doc(self.vocab, words=words, spaces=spaces)

    def to_bytes(self, **_: Any) -> bytes:
        """Nothing to store: the rules are code."""
        return b""

    def from_bytes(self, _data: bytes, **_: Any) -> ReportTokenizer:
        """See `to_bytes`."""
        return self

    def to_disk(self, _path: Any, **_: Any) -> None:
        """See `to_bytes`."""

    def from_disk(self, _path: Any, **_: Any) -> ReportTokenizer:
        """See `to_bytes`."""
        return self


def create_report_tokenizer() -> Callable[[Language], ReportTokenizer]:
    """The tokeniser by its registered name, for `[nlp.tokenizer]` in a spaCy configuration."""
    return ReportTokenizer


registry.tokenizers("medcutmix.ReportTokenizer.v1", func=create_report_tokenizer)
