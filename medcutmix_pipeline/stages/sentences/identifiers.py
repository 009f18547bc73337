"""Takes out numbers and names that say themselves whose they are, which de-identification may leave behind."""

from __future__ import annotations

import re

from medcutmix_pipeline.stages.sentences.dates import has_digit

_NO = r"(?:numbers?|no\b\.?|ids?\b|#)"
_CALLED = (
    rf"(?:(?:MRN|SSN|accession)(?: ?{_NO})?|(?:medical record|patient|job|dictation) ?{_NO}"
    rf"|(?:tele)?phone(?: ?{_NO})?|(?:pager|beeper|extension)(?: ?{_NO})?)"
)
_NUMBERED = re.compile(rf"[,;]? ?\(?\b{_CALLED}(?: is)?:? ?#? ?(?=[\w-]*\d{{3}})\w+(?:-\w+)*\)?", re.I)
_PHONE = re.compile(r"[,;]? ?(?:\b(?:at|by|via|on) )?(?:\(\d{3}\) ?|\b\d{3}[-. ])\d{3}[-.]\d{4}\b")
_DIGITS = re.compile(r"\d{3}")

_TITLE = re.compile(r"M(?:r|s|iss|RS\.)")
# Of those in capitals only "MRS.": MR is an examination, too, and MS a disease.
_NAMED = re.compile(
    r"(?P<opens>^|(?<=[.!?:] ))?\b(?:(?:Mr|Mrs|Ms|Miss)\b\.?|MRS\.) "
    r"(?:[A-Z][a-z]+(?:[ '’-][A-Z][a-z]+){0,2}|[A-Z][A-Z-]+|_{2,})(?P<his>['’]s)?"
)


def without_identifiers(text: str) -> str:
    """The text without record and telephone numbers, and with "the patient" for "Mr. …"."""
    if has_digit(text) and _DIGITS.search(text):
        text = _PHONE.sub("", _NUMBERED.sub("", text))
    if _TITLE.search(text):
        text = _NAMED.sub(_patient, text)
    return text


def _patient(match: re.Match[str]) -> str:
    return ("The patient" if match["opens"] is not None else "the patient") + (match["his"] or "")
