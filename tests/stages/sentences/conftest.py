from __future__ import annotations

import pytest

from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.stages.sentences import ReportReader


@pytest.fixture(scope="session")
def reader() -> ReportReader:
    return ReportReader(SentencesConfig())
