"""The lexicon: findings, assertion phrases and section names as data, with the check of a user's own file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.stages.sentences.phrases import PhraseError, spellings

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import SentencesConfig


def _checked(phrase: str) -> str:
    try:
        spellings(phrase)
    except PhraseError as error:
        raise ValueError(f'"{phrase[:60]}": {error}') from error
    return phrase


Phrase = Annotated[str, AfterValidator(_checked)]
Phrases = tuple[Phrase, ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measure(_Part):
    """A finding that is said by what a structure looks like: "the heart is enlarged"."""

    of: Phrases = Field(description="the structure: heart size, cardiac silhouette")
    present: Phrases = Field((), description="what it looks like where the finding is there: enlarged")
    absent: Phrases = Field((), description="what it looks like where it is not: normal")


class Finding(_Part):
    """A finding, the words that name it, and the look-alikes that do not."""

    name: str = Field(min_length=1)
    part_of: str | None = Field(None, description="the wider finding that is there whenever this one is")
    shown_as: tuple[str, ...] = Field(
        (), description="findings that may be the same lesion, told by what it looks like"
    )
    terms: Phrases = Field((), description="words that name the finding")
    hints: Phrases = Field((), description="words that raise the finding without naming it: uncertain at most")
    exclude: Phrases = Field((), description="longer words that contain a term and do not name the finding")
    measures: tuple[Measure, ...] = ()


class Clear(_Part):
    """A normal statement: it mentions no finding, but says that one is not there ("the lungs are clear")."""

    denies: str = Field(min_length=1, description="the finding; those that are part of it are denied too")
    of: Phrases = Field(description="the structure")
    looks: Phrases = Field(description="what it looks like: clear")
    unless: Phrases = Field((), description="a sentence with one of these does not contradict: old, healed")


class Cues(_Part):
    """Phrases that settle an assertion, by where they stand relative to the finding."""

    before: Phrases = ()
    after: Phrases = ()
    heads: Phrases = Field((), description="before a whole list: differential includes")
    between: Phrases = Field((), description="between two findings, and says it of both: versus")


class Elsewhere(_Part):
    """Phrases behind "not seen" that tell where a finding was not seen."""

    study: Phrases = Field((), description="on another study, so that the finding is new: on the prior")
    view: Phrases = Field((), description="on one view, so that it is in doubt: on the lateral")
    nowhere: Phrases = Field((), description="longer phrases that look like these and deny it all the same")


class Assertion(_Part):
    """How reports assert and deny."""

    absent: Cues = Cues()
    uncertain: Cues = Cues()
    present: Cues = Field(
        Cues(), description="phrases that look like a negation or a change and leave the finding there"
    )
    ignore: Cues = Field(Cues(), description="phrases after which a finding is not said of this image: history of")
    elsewhere: Elsewhere = Elsewhere()
    fillers: Phrases = Field((), description="words that may stand inside any of these phrases: completely")
    ends: Phrases = Field((), description="words at which the reach of a phrase ends: but, however")
    starts: Phrases = Field((), description="words that open a new statement after a comma: small, stable, there is")
    attributes: Phrases = Field(
        (), description="words that do so behind a denial, unless the list goes on with or: left, large, new"
    )
    portions: Phrases = Field((), description="words for a portion, of which a phrase says nothing of the whole: tip")
    verbs: Phrases = Field((), description="finite verbs, which tell two statements from one list")


class Sections(_Part):
    """Names of the sections of a report, without the colon."""

    findings: tuple[str, ...] = ()
    impression: tuple[str, ...] = ()
    fallback: tuple[str, ...] = Field((), description="kept where a report has neither findings nor impression")
    leave_out: tuple[str, ...] = ()
    asides: tuple[str, ...] = Field(
        (), description="of leave_out, those that amid findings cover one sentence: Technique: rotated."
    )
    details: tuple[str, ...] = Field(
        (), description="of leave_out, those that amid findings belong to what is said: Age: indeterminate."
    )
    report: tuple[str, ...] = Field((), description="headers that say nothing of what follows: FINAL REPORT")
    views: tuple[str, ...] = Field((), description="words of which headers such as CHEST, AP: are made")


class Wording(_Part):
    """What makes a sentence stand alone or not."""

    refers_back: Phrases = Field((), description="a sentence that begins so needs the one before: this, these findings")
    continues: Phrases = Field((), description="a fragment that begins so is the rest of the one before: likely due to")
    leans: Phrases = Field((), description="a sentence that begins so goes on from the one before: and, also, likely")
    refers_anywhere: Phrases = Field(
        (), description="refers to another place of the report wherever it stands: as above"
    )
    change: Phrases = Field((), description="words of comparison with a prior study: unchanged, increased")
    filler: Phrases = Field((), description="words that add nothing to a comparison: the, size, again")
    notes: Phrases = Field(
        (), description="a sentence with one of these is about people, not the image: discussed with"
    )


class Lexicon(_Part):
    """All of it: one file."""

    findings: tuple[Finding, ...] = ()
    clears: tuple[Clear, ...] = ()
    assertion: Assertion = Assertion()
    sections: Sections = Sections()
    wording: Wording = Wording()


Layers = tuple[Lexicon, ...]
"""Lexicons that hold together; where two of them give one phrase different meanings, the earlier one counts."""


def built_in() -> Lexicon:
    """The lexicon that comes with the package: the 14 CheXpert findings."""
    text = resources.files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8")
    return Lexicon.model_validate(tomllib.loads(text))


def load_lexicon(config: SentencesConfig) -> Layers:
    """The lexicon that the configuration asks for, a user's own file before the built-in one.

    In mode `replace` the file's findings are the only ones; assertion phrases, sections and wording are still added to
    the built-in ones, since they belong to the language and not to a set of findings.

    Raises UsageError, in one line with file, entry and problem, for a file that is missing, no TOML, or breaks the
    schema.
    """
    default = built_in()
    if config.lexicon is None:
        return (default,)
    own = _read(Path(config.lexicon))
    if config.lexicon_mode == "replace":
        if not own.findings:
            raise UsageError(f"lexicon {config.lexicon}: mode replace needs at least one [[findings]]")
        default = default.model_copy(update={"findings": ()})
    return (own, default)


def finding_names(layers: Layers) -> tuple[str, ...]:
    """The findings in their order: the built-in ones first, then those that a user added."""
    return tuple(dict.fromkeys(finding.name for layer in reversed(layers) for finding in layer.findings))


def part_of(layers: Layers) -> dict[str, str]:
    """Finding → the wider finding that is there whenever it is."""
    return {f.name: f.part_of for layer in reversed(layers) for f in layer.findings if f.part_of}


def shown_as(layers: Layers) -> dict[str, frozenset[str]]:
    """Finding → findings that may be the same lesion: a pneumonia is told as a consolidation elsewhere."""
    return {f.name: frozenset(f.shown_as) for layer in reversed(layers) for f in layer.findings if f.shown_as}


def sha256(layers: Layers) -> str:
    """Hex digest of the content, whatever file it came from."""
    content = [layer.model_dump(mode="json") for layer in layers]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> Lexicon:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"lexicon {path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"lexicon {path}: not valid TOML: {error}") from error
    try:
        return Lexicon.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(_place(content, first["loc"]))
        raise UsageError(f"lexicon {path}: {entry}: {first['msg'].removeprefix('Value error, ')}") from error


def _place(content: Any, location: tuple[int | str, ...]) -> list[str]:
    """The entry's address with names of findings in place of their numbers."""
    place = []
    for step in location:
        try:
            content = content[step]
        except (KeyError, IndexError, TypeError):
            content = None
        name = content.get("name") if isinstance(step, int) and isinstance(content, dict) else None
        place.append(f'"{name}"' if name else str(step))
    return place
