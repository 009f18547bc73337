"""Findings on which nothing is matched, as a person names them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import PairingConfig

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_excluded(pairing: PairingConfig, findings: Sequence[str]) -> None:
    """Make sure that each name in `pairing.exclude` is a finding; the default's are fine with any lexicon.

    Raises:
        UsageError: one is not, so that what was meant would be matched after all; the nearest finding is named.
    """
    for name in pairing.exclude:
        if name in findings or name in PairingConfig().exclude:
            continue
        folded = {finding.casefold(): finding for finding in findings}
        close = difflib.get_close_matches(name.casefold(), folded, n=1)
        hint = f"did you mean {folded[close[0]]}?" if close else f"there are {', '.join(findings)}"
        raise UsageError(f"pairing.exclude: {name} is no finding of the lexicon; {hint}")
