"""Whether everybody can use the console: axe's rules of WCAG 2.2 A and AA, and no page that is broader than a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.desk import VIEWS, Desk, View

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
}


def pages(staff: Desk) -> list[str]:
    """Return the paths of whatever the menu and the first page lead to."""
    links = staff.page.locator("a[href^='/admin/']").evaluate_all("all => all.map(a => a.pathname)")
    return sorted({link for link in links if "logout" not in link and "password" not in link})


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_no_page_has_a_fault(staff: Desk, view: View) -> None:
    faults = []
    for path in pages(staff):
        staff.go(path)
        found = Axe().run(staff.page, options=RULES).response["violations"]
        faults += [f"{path}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]
        if staff.is_overflown():
            faults.append(f"{path}: broader than the window")
    assert faults == []
