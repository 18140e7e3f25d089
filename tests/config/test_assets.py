"""Static files are collected when one changed, and only then."""

from pathlib import Path

import pytest
from pytest_django import Settings

from config import assets


@pytest.fixture
def collected(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the commands that were called, with one static file in an empty project."""
    calls: list[str] = []
    source = tmp_path / "source"
    source.mkdir()
    (source / "page.css").write_text("a {}")
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [source]
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_ROOT.mkdir()
    monkeypatch.setattr(assets, "call_command", lambda name, **options: calls.append(name))
    return calls


class TestCollect:
    def test_does_nothing_the_second_time(self, collected: list[str]) -> None:
        assets.collect()
        assets.collect()

        assert collected == ["collectstatic"]

    def test_collects_again_when_a_file_has_changed(
        self, collected: list[str], tmp_path: Path
    ) -> None:
        assets.collect()
        (tmp_path / "source" / "page.css").write_text("a { color: red }")
        assets.collect()

        assert len(collected) == 2

    def test_collects_again_when_a_file_has_gone(
        self, collected: list[str], tmp_path: Path
    ) -> None:
        assets.collect()
        (tmp_path / "source" / "page.css").unlink()
        assets.collect()

        assert len(collected) == 2
