"""What waits: pages that look again by themselves, and those of a second person, free of axe's faults."""

from datetime import UTC, datetime, timedelta

from tests.browser.axe import faults
from tests.browser.desk import Desk

LISTS = "/admin/organizations/organization/"
MUCH = "200,000"


def test_no_page_of_what_waits_has_a_fault(staff: Desk) -> None:
    found = {}
    for make in (propose_a_grant, propose_for_many, look_at_renewals, all_of_it):
        make(staff)
        hold_still(staff)
        found[make.__name__] = faults(staff)

    assert {page: there for page, there in found.items() if there} == {}


def propose_a_grant(staff: Desk) -> None:
    staff.go(LISTS)
    staff.click(staff.page.locator("#result_list tbody th a").first)
    staff.click("Grant credits", role="link")
    explain(staff, MUCH)
    staff.click("Propose", role="button")
    staff.see("Nothing changed yet.")


def propose_for_many(staff: Desk) -> None:
    select_all(staff, LISTS, "Grant")
    explain(staff, MUCH)
    staff.click("Propose it", role="button")
    staff.see("Nothing changed yet.")


def look_at_renewals(staff: Desk) -> None:
    staff.go("/admin/credits/rehearsal/add/")
    soon = datetime.now(UTC) + timedelta(days=60)
    staff.page.locator("[name=until_0]").fill(f"{soon:%Y-%m-%d}")
    staff.page.locator("[name=reason]").fill("before the new year")
    staff.click("Look", role="button", exact=True)
    staff.see("Looked at")


def all_of_it(staff: Desk) -> None:
    staff.go("/admin/")
    staff.click("Movements", role="link", exact=True)
    staff.click("Approvals", role="link", exact=True)
    staff.see("Waits for others")


def hold_still(staff: Desk) -> None:
    """Have the page not look again while it is looked at."""
    staff.page.wait_for_load_state("load")
    staff.page.evaluate("for (let timer = 1; timer < 1000; timer++) clearInterval(timer)")


def select_all(staff: Desk, lists: str, what: str) -> None:
    staff.go(lists)
    staff.click(staff.page.locator("#action-toggle"))
    staff.click(staff.page.locator(".selection-buttons button", has_text=what).first)


def explain(staff: Desk, amount: str) -> None:
    staff.type("Amount*", amount)
    staff.type("Reason*", "a very big customer")
    staff.click("See the effect", role="button")
