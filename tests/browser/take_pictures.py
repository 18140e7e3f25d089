"""Pictures of the console, in light, dark and on a phone: `make pictures`. All go to var/pictures; those that the documents show, to docs/screenshots too."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.backstage import hold_of, run
from tests.browser.customer import refused_by_the_cap
from tests.browser.desk import VIEWS, Desk, View
from tests.config.test_run import PROJECT, House

TAKEN = PROJECT / "var" / "pictures"
SHOWN = PROJECT / "docs" / "screenshots"
CUSTOMER = "Brightwater Publishing"
PERSON = "Noor Haddad"
SMALL = "Tinsley & Rowe Architects"
"""Of whom there is little to say: panels must not be empty halves."""
QUALITY = 70
"""Of WebP: text stays sharp, and a page is some 40 kB."""


def path(link: str) -> Callable[[Desk], None]:
    """Return how to come to a page by its path."""

    def go(staff: Desk) -> None:
        staff.go(link)

    return go


def tab(name: str) -> Callable[[Desk], None]:
    """Return how to come to a tab of the customer."""

    def go(staff: Desk) -> None:
        staff.find(CUSTOMER)
        staff.page.goto(f"{staff.page.url.split('?')[0]}?tab={name}", wait_until="load")

    return go


def found(staff: Desk) -> None:
    staff.page.keyboard.press("Control+k")
    staff.page.locator("#search-input-command").press_sequentially("bright")
    staff.page.locator("#command-results-list li a").first.wait_for()


def effect(staff: Desk) -> None:
    staff.find(CUSTOMER)
    staff.page.goto(staff.page.url.replace("/change/", "/grant/"), wait_until="load")
    staff.type("Amount*", "500")
    staff.type("Reason*", "Goodwill after Tuesday's outage")
    staff.click("See the effect", role="button")
    staff.page.locator("h2.op-title:focus").wait_for()


def rule(staff: Desk) -> None:
    staff.find(CUSTOMER)
    staff.page.goto(staff.page.url.replace("/change/", "/set-cap/"), wait_until="load")
    staff.type("Cap of a billing period", "1,000")
    staff.type("Reason*", "Asked for by their finance")
    staff.click("See the effect", role="button")
    staff.page.locator("h2.op-title:focus").wait_for()


def first_of(link: str) -> Callable[[Desk], None]:
    """Return how to come to the page of the first row of a list."""

    def go(staff: Desk) -> None:
        staff.go(link)
        staff.page.locator("#result_list tbody tr").first.locator(
            "a[href*='/change/']"
        ).first.click()
        staff.page.wait_for_url(re.compile("/change/"))

    return go


def person(staff: Desk) -> None:
    staff.find(PERSON)


def of_person(name: str, button: str, **fields: str) -> Callable[[Desk], None]:
    """Return how to come to what an action would do to a person."""

    def go(staff: Desk) -> None:
        staff.find(name)
        if not staff.page.get_by_role("link", name=button).first.is_visible():
            staff.click(staff.page.locator("details.more summary"))
        staff.click(re.compile(f"^.*{button}"), role="link")
        for label, text in fields.items():
            staff.type(f"{label}*", text)
        staff.click("See the effect", role="button")
        staff.page.locator("h2.op-title:focus").wait_for()

    return go


def leaked(staff: Desk) -> None:
    tab("keys")(staff)
    staff.click(staff.page.locator("a[aria-label^='Revoke']").first)
    staff.page.wait_for_url(re.compile("/revoke-key/"))
    staff.type("Reason*", "It stands in a public repository")
    staff.click("See the effect", role="button")
    staff.page.locator("h2.op-title:focus").wait_for()


def holds(staff: Desk) -> None:
    staff.go("/admin/credits/reservation/?status__exact=open")
    staff.click(staff.page.locator("#action-toggle"))
    staff.page.locator(".selection-buttons button", has_text="Release").first.wait_for()


def small(staff: Desk) -> None:
    staff.find(SMALL)


PAGES: dict[str, Callable[[Desk], None]] = {
    "home": path("/admin/"),
    "finder": found,
    "organization": tab("overview"),
    "small": small,
    "money": tab("money"),
    "people": tab("people"),
    "usage": tab("usage"),
    "history": tab("history"),
    "refusal": first_of("/admin/usage/denial/"),
    "effect": effect,
    "rule": rule,
    "person": person,
    "movements": path("/admin/credits/ledgerentry/"),
    "prices": first_of("/admin/usage/aimodel/"),
    "most": path("/admin/usage/monthlyuse/"),
    "jobs": path("/admin/organizations/job/"),
    "statements": path("/admin/credits/billingperiod/month/"),
    "many": first_of("/admin/organizations/bulkaction/"),
    "import": first_of("/admin/organizations/import/"),
    "approval": first_of("/admin/organizations/proposal/"),
    "alerts": path("/admin/organizations/alert/"),
    "forgive": of_person("Ada Lind", "Forgive usage", Amount="15", Reason="A loop of ours"),
    "erase": of_person(PERSON, "Erase person", Reason="Asked for by letter"),
    "leaked": leaked,
    "holds": holds,
    "renewals": first_of("/admin/credits/rehearsal/"),
    "what-if": first_of("/admin/usage/whatif/"),
    "roles": first_of("/admin/auth/group/"),
}


def worked(staff: Desk) -> None:
    """Wait until the calendar has added up what the demo used: before that some pages have nothing to show."""
    staff.go("/admin/organizations/job/")
    while not staff.page.locator("#result_list tbody tr").count():
        staff.page.wait_for_timeout(5_000)
        staff.page.reload()


def take(staff: Desk, to: Path) -> None:
    """Take a picture of what the window shows, as WebP."""
    staff.page.wait_for_function("document.fonts.status === 'loaded'")
    assert staff.page.locator("#content").count(), f"{to.name} would show no page of the console"
    taken = staff.page.context.new_cdp_session(staff.page).send(
        "Page.captureScreenshot", {"format": "webp", "quality": QUALITY}
    )
    to.write_bytes(base64.b64decode(taken["data"]))


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_pages(staff: Desk, house: House, view: View) -> None:
    TAKEN.mkdir(parents=True, exist_ok=True)
    worked(staff)
    if view is VIEWS[0]:
        refused_by_the_cap(house)
        for credits in (11, 12, 13):
            hold_of(house, credits)
        run(house, "from tests.browser import rows\nrows.to_be_shown()")
    for name, go in PAGES.items():
        staff.go("/admin/")
        go(staff)
        picture = f"{name}{'' if view is VIEWS[0] else f'-{view}'}.webp"
        take(staff, TAKEN / picture)
        if (SHOWN / picture).exists():
            (SHOWN / picture).write_bytes((TAKEN / picture).read_bytes())
