"""Data on its way into a script: nothing in it can end the script, or be taken for markup."""

from __future__ import annotations

import json
from typing import Any

_MARKUP = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def script_json(content: Any) -> str:
    """JSON in ASCII that may stand in a script of a page.

    `<`, `>` and `&` are written as escapes, so that neither `</script>` nor `<!--` can occur; U+2028 and U+2029, which
    end a line in older JavaScript, leave with everything else that is not ASCII.
    """
    return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).translate(_MARKUP)
