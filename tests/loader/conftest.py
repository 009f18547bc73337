"""What tests of remote reading share: a dataset over HTTP, and no waiting for it."""

from __future__ import annotations

import pytest

from medcutmix_pipeline.loader.reading import remote
from tests.loader.served import serving


@pytest.fixture
def server(folder):
    """A server of the module's own `folder`."""
    with serving(folder) as served:
        yield served


@pytest.fixture
def waited(monkeypatch):
    """The seconds that are waited between attempts; nobody waits."""
    told = []
    monkeypatch.setattr(remote, "_pause", lambda seconds, stopped: told.append(seconds))
    return told
