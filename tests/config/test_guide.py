"""The documents: each link leads somewhere, each picture is there and small; and the guide for staff has a page and a browser test for each task."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from tests.browser import tasks
from tests.browser.tasks import TASKS, Task

ROOT: Path = settings.BASE_DIR
GUIDE = ROOT / "docs" / "console"
INDEX = ROOT / "docs" / "console.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:)([^)\s]+)\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| (.+?) \| (\d+) \| \[.+?\]\(console/(.+?)\) \|$", re.MULTILINE)
LARGEST = 150_000
"""Bytes of a picture: somebody may read on a train."""


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


@cache
def anchors_of(document: Path) -> frozenset[str]:
    """Return the anchors of a document's headings, as they are made on the sites that show it."""
    found = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in found)
    return frozenset(heading.replace(" ", "-") for heading in plain)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
class TestDocument:
    def test_leads_only_to_what_is_there(self, document: Path) -> None:
        lost = []
        for link in LINK.findall(document.read_text()):
            path, _, anchor = link.partition("#")
            target = (document.parent / path).resolve() if path else document
            is_there = target.exists() and (
                not anchor or target.suffix != ".md" or anchor in anchors_of(target)
            )
            lost += [] if is_there else [link]
        assert lost == []

    def test_shows_pictures_that_are_there_small_and_said_in_words(self, document: Path) -> None:
        for words, path in PICTURE.findall(document.read_text()):
            picture = document.parent / path
            assert picture.exists(), path
            assert 1_000 < picture.stat().st_size <= LARGEST, path
            assert words, path


def test_every_picture_is_shown_somewhere() -> None:
    shown = {
        (document.parent / path).resolve()
        for document in DOCUMENTS
        for _, path in PICTURE.findall(document.read_text())
    }

    assert shown >= set((ROOT / "docs" / "screenshots").iterdir())


class TestTasks:
    def test_are_the_table_of_the_guide(self) -> None:
        shown = [
            (title, int(clicks), page) for title, clicks, page in ROW.findall(INDEX.read_text())
        ]

        assert shown == [(task.title, task.clicks, task.page) for task in TASKS]

    def test_are_all_in_it(self) -> None:
        named = {task for task in vars(tasks).values() if isinstance(task, Task)}

        assert named == set(TASKS)

    def test_have_a_page_each_and_no_page_has_none(self) -> None:
        assert {path.name for path in GUIDE.iterdir()} == {task.page for task in TASKS}

    @pytest.mark.parametrize("task", TASKS, ids=lambda task: task.page)
    def test_have_a_picture_each(self, task: Task) -> None:
        assert PICTURE.findall((GUIDE / task.page).read_text())

    @pytest.mark.parametrize("task", TASKS, ids=lambda task: task.page)
    def test_are_done_in_a_browser_and_their_clicks_counted(self, task: Task) -> None:
        file, _, name = task.test.partition("::")
        test = source_of(ROOT / "tests" / "browser" / file).get(name, "")
        constant = next(known for known, each in vars(tasks).items() if each is task)

        assert f"staff.within(tasks.{constant})" in test
        assert f"`{name}`" in (GUIDE / task.page).read_text()


def source_of(file: Path) -> dict[str, str]:
    """Return the functions of a file, each with its source."""
    functions = (
        node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)
    )
    return {node.name: ast.unparse(node) for node in functions}
