"""Places that a user names where no shell puts in the home folder: in a file, in Python, after `=`, within quotes."""

from __future__ import annotations

import os.path

at_home = os.path.expanduser
"""A place with the home folder for the ~ at its beginning. Text, and no Path, which takes a slash out of a URL."""
