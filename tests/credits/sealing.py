"""A folder for the seals of one test."""

from pathlib import Path

import pytest
from django.conf import settings


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where this test seals. Importing it is enough."""
    monkeypatch.setattr(settings, "SEALS_DIR", tmp_path / "seals")
    return tmp_path / "seals"
