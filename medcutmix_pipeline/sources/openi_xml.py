"""What a report's XML in Open-I says. No entity is declared, expanded or fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat


class UnreadableReportError(Exception):
    """The file is not the XML of a report. Carries no text, since a parser's own message may quote the file."""


@dataclass(frozen=True, slots=True)
class OpeniReport:
    """A report: `text` has the sections as `LABEL: text` paragraphs in order; `images` are ids with their captions."""

    study_id: str
    text: str | None
    images: dict[str, str]


@dataclass
class _Handlers:
    """Collects the few elements that count while the parser runs."""

    study_id: str = ""
    root: str = ""
    sections: list[tuple[str, str]] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    _label: str = ""
    _image: str = ""
    _text: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.root = self.root or name
        if name == "uId":
            self.study_id = attributes.get("id", "").strip()
        elif name == "parentImage":
            self._image = attributes.get("id", "").strip()
            if self._image:
                self.images.setdefault(self._image, "")
        elif name in ("AbstractText", "caption"):
            self._label = attributes.get("Label", "").strip()
            self._text = []

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, name: str) -> None:
        if name not in ("AbstractText", "caption") or self._text is None:
            return
        text = "".join(self._text).strip()
        self._text = None
        if name == "AbstractText":
            self.sections.append((self._label, text))
        elif self._image:
            self.images[self._image] = text


def _refuse(*_: object) -> NoReturn:
    raise UnreadableReportError


def parse(data: bytes) -> OpeniReport:
    """The report in an XML file.

    Raises:
        UnreadableReportError: the file is not well-formed, is no report, or declares a document type (reports have
            none, and entities are how a small file becomes a huge one or reads other files).
    """
    handlers = _Handlers()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = handlers.start
    parser.EndElementHandler = handlers.end
    parser.CharacterDataHandler = handlers.data
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError):
        raise UnreadableReportError from None
    if handlers.root != "eCitation":
        raise UnreadableReportError
    paragraphs = [f"{label}: {text}" if label else text for label, text in handlers.sections if text]
    return OpeniReport(handlers.study_id, "\n\n".join(paragraphs), handlers.images)
