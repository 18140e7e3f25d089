"""How lists look: rows so low that many are in sight, and numbers of which one point stands below the other."""

import pytest

from tests.browser.desk import Desk

HIGH = 36
LISTS = ("credits/ledgerentry", "organizations/organization", "organizations/actor", "usage/denial")
HEIGHTS = "rows => [...new Set(rows.map(row => Math.round(row.getBoundingClientRect().height)))]"
FITS = "list => list.scrollWidth <= list.parentElement.clientWidth"
POINTS = """cells => cells.map((cell) => {
    const amount = cell.querySelector(".amount")?.firstChild;
    const at = amount?.textContent.indexOf(".") ?? -1;
    if (at < 0) return null;
    const range = document.createRange();
    range.setStart(amount, at);
    range.setEnd(amount, at + 1);
    return Math.round(range.getBoundingClientRect().left);
}).filter((left) => left !== null)"""
"""How far from the left the point of each amount is."""


@pytest.mark.parametrize("name", LISTS)
def test_rows_are_36_pixels_high_and_all_of_them_is_in_sight(staff: Desk, name: str) -> None:
    staff.go(f"/admin/{name}/")
    rows = staff.page.locator("#result_list tbody tr")
    rows.first.wait_for()

    assert rows.evaluate_all(HEIGHTS) == [HIGH]
    assert staff.page.locator("#result_list").evaluate(FITS)
    cut = staff.page.locator("#result_list tbody td.field-message")
    if cut.count():
        cut.first.hover()
        assert cut.first.get_attribute("title") == cut.first.inner_text()


def test_amounts_are_aligned_at_the_point(staff: Desk) -> None:
    staff.go("/admin/credits/ledgerentry/")

    for column in ("moved", "balance_shown"):
        points = staff.page.locator(f"#result_list td.field-{column}").evaluate_all(POINTS)
        assert len(points) > 10
        assert max(points) - min(points) <= 1, column
