"""What tasks between colleagues cost in clicks: approving what another proposed, taking care of an alert, a login for somebody new."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import tasks
from tests.browser.backstage import PASSWORD, colleague, run
from tests.browser.desk import Desk, desk
from tests.config.test_run import House

NOTICE = """
from organizations import clock, jobs
from usage.services.noticing import NOTICE
jobs.run(NOTICE, now=clock.now, worker="somebody in a hurry")
"""


@pytest.fixture
def omar(browser: Browser, house: House) -> Iterator[Desk]:
    """Another administrator, at a window of his own."""
    colleague(house, "omar")
    with desk(browser, house) as opened:
        opened.sign_in("omar", PASSWORD)
        yield opened


def propose(omar: Desk) -> None:
    """Ask for more than one person grants alone."""
    omar.find("Brightwater Publishing")
    omar.click("Grant credits", role="link")
    omar.type("Amount*", "150,000")
    omar.type("Reason*", "Order 1108, paid in advance")
    omar.click("See the effect", role="button")
    omar.click("Propose", role="button")
    omar.see(re.compile("waits for another person"))


def test_what_a_colleague_proposed_is_approved_in_two_clicks(staff: Desk, omar: Desk) -> None:
    propose(omar)
    staff.go("/admin/")

    waits = staff.page.locator("#waits tr", has_text="Order 1108")
    staff.click(waits.get_by_role("link", name="Grant credits"))
    staff.see("What was asked")
    staff.see("Available")
    staff.click("Approve", role="button")

    staff.see(re.compile("by omar|proposed by omar", re.IGNORECASE))
    staff.see(re.compile("150,000"))
    staff.within(tasks.APPROVE)


def test_an_alert_is_acknowledged_in_four_clicks(staff: Desk, house: House) -> None:
    run(house, NOTICE)

    staff.click("Operations", role="link")
    row = staff.page.locator("#result_list tbody tr", has_text="needs somebody").first
    staff.click(row.get_by_role("link").first)
    staff.click("Acknowledge", role="link")
    staff.page.locator("#id_note").fill("I call them today")
    staff.click("Acknowledge", role="button")

    staff.see("acknowledged")
    staff.within(tasks.ALERT)


def test_a_new_colleague_gets_a_role_in_six_clicks(staff: Desk) -> None:
    staff.click("Settings", role="link")
    staff.click(staff.page.locator("a[href$='/auth/user/add/']").first)
    staff.page.locator("#id_username").fill("cleo")
    staff.page.locator("#id_password1").fill(PASSWORD)
    staff.page.locator("#id_password2").fill(PASSWORD)
    staff.click(staff.page.get_by_role("button", name="Save and continue editing"))
    staff.click(staff.page.locator("#id_is_staff"))
    offered = staff.page.locator("#id_groups_from option", has_text="Support")
    offered.wait_for(state="attached")
    staff.clicks += 1
    offered.dblclick()
    staff.page.locator("#id_groups_to option", has_text="Support").wait_for(state="attached")
    staff.click("Save", role="button", exact=True)

    staff.see("was changed successfully")
    staff.within(tasks.ROLE)
