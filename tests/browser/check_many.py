"""What tasks about many rows cost in clicks: holds that hang, customers from a file, a month once more by other rules."""

import re

from playwright.sync_api import FilePayload

from tests.browser import tasks
from tests.browser.backstage import hold_of
from tests.browser.desk import Desk
from tests.config.test_run import House

CUSTOMERS = """external_id,name,allowance,monthly_cap
quay-1,Quayside Radio,500,2000
quay-2,Quayside Records,"1,000",2000
quay-3,Quayside Books,250,
"""


def bring(staff: Desk, file: str) -> None:
    """Bring a file of customers, and have it looked at."""
    sent = FilePayload(name="customers.csv", mimeType="text/csv", buffer=file.encode())
    staff.page.locator("input[type=file]").set_input_files(sent)
    staff.page.locator("#id_reason").fill("the move from the old system")
    staff.click("Look at it", role="button")


def test_holds_are_released_together_in_seven_clicks(staff: Desk, house: House) -> None:
    holds = [hold_of(house, credits) for credits in (11, 12, 13)]

    staff.find("Brightwater Publishing")
    staff.click(staff.page.get_by_role("link", name="Money", exact=True).first)
    holding = staff.page.locator("section.panel", has=staff.page.get_by_text("Open holds"))
    staff.click(holding.get_by_role("link", name="All", exact=True))
    staff.click(staff.page.locator("#action-toggle"))
    staff.click(staff.page.locator(".selection-buttons button", has_text="Release").first)
    staff.type("Reason*", "a worker of theirs died")
    staff.click("See the effect", role="button")
    staff.page.get_by_role("region", name="Each of them").wait_for()
    staff.click(staff.page.locator("form[action$='/confirm/'] button"))

    staff.see(re.compile(r"done, 0 skipped, 0 failed"))
    staff.within(tasks.HOLDS)
    staff.go(f"/admin/credits/reservation/?q={holds[0]}")
    staff.see("released")


def test_customers_come_from_a_file_in_eight_clicks(staff: Desk) -> None:
    staff.click("Operations", role="link")
    staff.click("Imports", role="link", exact=True)
    staff.click(staff.page.locator("a[href$='/import/add/']").first)
    bring(staff, CUSTOMERS)

    wrong = staff.page.get_by_role("region", name="What is wrong").get_by_role("row").nth(1)
    wrong.wait_for()
    assert wrong.get_by_role("cell").all_inner_texts()[:2] == ["3", "allowance"]
    staff.click("Bring the file again", role="link")
    bring(staff, CUSTOMERS.replace('"1,000"', "1000"))
    staff.click("Start…", role="link")
    staff.click("Make 3 customers", role="button")

    staff.see(re.compile(r"^\s*carried out\s*$"))
    staff.within(tasks.IMPORT)
    staff.go("/admin/organizations/organization/?q=Quayside")
    made = staff.page.locator("#result_list tbody tr", has_text="Quayside")
    made.first.wait_for()
    assert made.count() == 3


def test_a_month_by_other_prices_is_four_clicks_away(staff: Desk) -> None:
    staff.click("Prices", role="link")
    staff.click("What if", role="link", exact=True)
    staff.click(staff.page.locator("a[href$='/whatif/add/']").first)
    staff.page.locator("#id_multiplier").fill("1.25")
    staff.click("Save", role="button", exact=True)

    staff.see("prices × 1.25")
    answered = staff.page.locator("#answer-title ~ .why-sentence")
    while not answered.count():
        staff.page.wait_for_timeout(2_000)
        staff.page.reload()
    staff.within(tasks.WHAT_IF)
