"""What holds for every template, whoever looks at it."""

import re

from django.conf import settings

BOX = re.compile(r'<[^<>]*class="scroll"[^<>]*>')
CELL = re.compile(r'<td class="num[^"]*">.*?</td>', re.DOTALL)


def test_what_scrolls_is_reached_by_keyboard_and_has_a_name() -> None:
    pages = settings.BASE_DIR.glob("templates/**/*.html")
    boxes = [(page.name, box) for page in pages for box in BOX.findall(page.read_text())]

    assert boxes
    assert [each for each in boxes if 'tabindex="0"' not in each[1]] == []
    assert [each for each in boxes if "aria-label" not in each[1]] == []


def test_amounts_of_a_column_are_aligned_at_the_point() -> None:
    pages = settings.BASE_DIR.glob("templates/**/*.html")
    cells = [(page.name, cell) for page in pages for cell in CELL.findall(page.read_text())]

    assert sum("|aligned" in cell for _, cell in cells) > 30
    assert [each for each in cells if re.search(r"\|(credits|signed|headline)\b", each[1])] == []
