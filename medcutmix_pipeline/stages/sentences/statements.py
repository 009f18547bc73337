"""Where the clauses of a sentence begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.stages.sentences.clauses import FoundCue

ASIDE = 12
"""Words behind an opening bracket in which a verb makes it a statement of its own."""

NEUTRAL = frozenset(
    (
        "seen", "identified", "noted", "present", "demonstrated", "visualized", "visualised", "visible", "evident",
        "appreciated", "detected",
    )
)  # fmt: skip


def opened_clauses(words: Sequence[str], cues: list[FoundCue], verbs: frozenset[int]) -> set[int]:
    """The words with which a clause begins, other than the first. Time linear in the words."""
    opened = _opened(words, cues, verbs)
    return opened | _second_statements(words, cues, verbs, opened)


def _opened(words: Sequence[str], cues: list[FoundCue], verbs: frozenset[int]) -> set[int]:
    """Where a clause begins because of a word: at "but" and the like, at an aside with a verb, and behind any aside."""
    opened = {start for start, _, cue in cues if cue.ends} - _complements(words, cues)
    for i, word in enumerate(words):
        if word == ")" and i > 1 and words[i - 1] not in ("s", "?", "-"):
            opened.add(i + 1)
        elif word == "(" and not verbs.isdisjoint(range(i + 1, i + ASIDE)):
            opened.add(i)
    return opened


def _complements(words: Sequence[str], cues: list[FoundCue]) -> set[int]:
    """Where "there is" goes on from a denial or doubt right before it: "whether there is", "I doubt that there is"."""
    found: set[int] = set()
    spoken = len(words)
    for start, end, cue in cues:
        joined = spoken == start or tuple(words[spoken:start]) == ("that",)
        if cue.ends and words[start] == "there" and joined:
            found.add(start)
        spoken = end if cue.before in ("absent", "uncertain") else len(words)
    return found


def _second_statements(words: Sequence[str], cues: list[FoundCue], verbs: frozenset[int], opened: set[int]) -> set[int]:
    """Where a comma or "and" joins two statements, each with its verb, and not two things of one list.

    "The effusion is small and there is …", "Heart is normal, lungs are clear"; a comma does so too behind a denial
    without a verb ("No pneumothorax, opacities may represent …").
    """
    cued = {start for start, _, cue in cues if cue.before in ("absent", "uncertain")}
    found: set[int] = set()
    verb_seen = cue_seen = False
    pending: tuple[int, bool, bool] | None = None  # joint, a verb before it, only a cue before it
    for i, word in enumerate(words):
        if i in opened:
            verb_seen = cue_seen = False
            pending = None
        if word in (",", "and"):
            double = pending is not None and i == pending[0] + 1
            comma_only = word == "," and not double
            pending = (pending[0] if double and pending else i, verb_seen, comma_only and cue_seen)
        elif word in ("or", "nor"):
            pending = None  # it closes a list: "there is no effusion, or edema is seen"
        elif i in verbs:
            if pending is not None and i > pending[0] + 1 and not _follows_joint(words, pending[0], i):
                neutral = i + 1 < len(words) and words[i + 1] in NEUTRAL
                if pending[1] or (pending[2] and not neutral):
                    found.add(pending[0])
            verb_seen, pending = True, None
        cue_seen = cue_seen or i in cued
    return found


def _follows_joint(words: Sequence[str], joint: int, verb: int) -> bool:
    """Whether the verb has no subject of its own: "…, and is unchanged"."""
    return all(word in (",", "and", "also", "now") for word in words[joint:verb])
