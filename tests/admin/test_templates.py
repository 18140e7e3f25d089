"""What holds for every template, whoever looks at it."""

import re

from django.conf import settings

BOX = re.compile(r'<[^<>]*class="scroll"[^<>]*>')


def test_what_scrolls_is_reached_by_keyboard_and_has_a_name() -> None:
    pages = settings.BASE_DIR.glob("templates/**/*.html")
    boxes = [(page.name, box) for page in pages for box in BOX.findall(page.read_text())]

    assert boxes
    assert [each for each in boxes if 'tabindex="0"' not in each[1]] == []
    assert [each for each in boxes if "aria-label" not in each[1]] == []
