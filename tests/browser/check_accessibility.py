"""Whether everybody can use the console: axe's rules of WCAG 2.2 A and AA on every page, in light, dark and on a phone, and the keyboard."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.axe import faults
from tests.browser.backstage import run
from tests.browser.desk import Desk
from tests.browser.pages import links_to, name_of, names
from tests.config.test_run import House

ELSEWHERE = re.compile(r"/logout/|/password/|/jsi18n/|/export|/delete/|\.csv|/autocomplete/")
"""What is no page, or ends what is being looked at."""
REFUSED = re.compile(r"status of 40[34]")
LINKS = "all => all.map(a => a.pathname + a.search)"


def kind_of(link: str) -> str | None:
    """Return what pages of one kind have in common: all but which row is shown. None: it is no page to look at."""
    address = urlsplit(link)
    if ELSEWHERE.search(link) or not address.path.startswith("/admin/"):
        return None
    parts = address.path.strip("/").split("/")
    if len(parts) > 4:
        parts[3] = "*"
    tab = parse_qs(address.query).get("tab", [""])[0]
    return "/".join(parts) + tab


def one_of_each_kind(staff: Desk) -> Iterator[str]:
    """Follow the links from the first page, and yield each kind of page once it is open."""
    met = {kind_of("/admin/")}
    ahead = ["/admin/"]
    while ahead:
        link = ahead.pop(0)
        status = staff.go(link)
        if status == 0:
            continue
        assert status == 200, link
        yield link
        for found in staff.page.locator("a[href^='/admin/'], a[href^='?tab=']").evaluate_all(LINKS):
            kind = kind_of(found)
            if kind and kind not in met:
                met.add(kind)
                ahead.append(found)


def the_others(staff: Desk, known: dict[str, str], rows: dict[str, str]) -> Iterator[str]:
    """Yield the pages that no link led to, once each is open: those of what nobody may add, change or delete are none.

    :param rows: where a row of each table is, and a version of it, by the name of the page
    """
    for name in sorted(names() - known.keys()):
        for link in [*filter(None, [rows.get(name)]), *links_to(name, rows | known)]:
            status = staff.go(link)
            known[name] = link
            if status == 200 and name_of(staff.page.url) == name:
                yield link
            else:
                assert status in (200, 403, 404), link


@pytest.fixture(scope="session")
def full_house(house: House) -> House:
    """Have a row of everything."""
    run(house, "from tests.browser import rows\nrows.make()")
    return house


@pytest.mark.usefixtures("full_house")
def test_no_page_that_a_link_leads_to_has_a_fault(staff: Desk) -> None:
    found = {link: faults(staff) for link in one_of_each_kind(staff)}

    assert {link: there for link, there in found.items() if there} == {}


@pytest.mark.slow
def test_no_other_page_has_a_fault(staff: Desk, full_house: House) -> None:
    known: dict[str, str] = {}
    for link in one_of_each_kind(staff):
        known.setdefault(name_of(link), link)
    printed = run(full_house, "from tests.browser import rows\nprint(*rows.addresses())").split()

    rows = {name_of(link): link for link in printed}
    found = {link: faults(staff) for link in the_others(staff, known, rows)}
    # The browser complains of each page that is refused, as it is to be.
    staff.complaints[:] = [each for each in staff.complaints if not REFUSED.search(each)]

    assert {link: there for link, there in found.items() if there} == {}
    assert names() - known.keys() == set()


def test_the_menu_can_be_skipped(staff: Desk) -> None:
    staff.go("/admin/credits/ledgerentry/")

    staff.press("Tab")
    assert staff.focused() == "Skip to the page"
    staff.press("Enter")
    for _ in range(12):
        staff.press("Tab")
        if staff.page.locator("#searchbar:focus").count():
            break

    assert staff.page.locator("#content #searchbar:focus").count() == 1


def test_the_filters_of_a_list_open_and_close_by_keyboard(staff: Desk) -> None:
    staff.go("/admin/credits/ledgerentry/")
    drawer = staff.page.locator("#changelist-filter")
    staff.page.locator("#changelist-filter-open").focus()

    staff.press("Enter")
    drawer.wait_for()
    staff.page.wait_for_function("document.activeElement.closest('#changelist-filter')")
    staff.press("Escape")
    drawer.wait_for(state="hidden")

    assert staff.focused() == "Filters"


def test_a_field_that_searches_looks_like_a_field(staff: Desk) -> None:
    staff.go("/admin/usage/limit/add/")

    around = staff.page.locator(".select2-container .selection").first

    assert around.evaluate("it => getComputedStyle(it).backgroundColor") == "rgba(0, 0, 0, 0)"
