"""What staff do without a mouse: a grant, and what lets refused work pass. The page that shows an effect has no fault, either."""

from tests.browser.axe import faults
from tests.browser.customer import refused_by_the_cap
from tests.browser.desk import Desk
from tests.config.test_run import House


def explain_and_confirm(staff: Desk, button: str) -> None:
    """Give a reason, look at the effect, and confirm: from a form to the message, by Tab and Enter."""
    staff.tab_to("Reason")
    staff.write("asked for by mail")
    staff.tab_to("See the effect")
    staff.press("Enter")
    staff.page.locator("h2.op-title:focus").wait_for()
    staff.tab_to(button)
    staff.press("Enter")


def test_credits_are_granted(staff: Desk) -> None:
    staff.find("Brightwater Publishing")
    staff.tab_to("Grant credits")
    staff.press("Enter")
    staff.page.get_by_label("Amount*").and_(staff.page.locator(":focus")).wait_for()
    staff.write("500")

    explain_and_confirm(staff, "Grant")

    staff.see("500 credits")
    staff.page.locator("header.head").get_by_text("Brightwater Publishing").wait_for()
    assert staff.pointed == 0


def test_refused_work_is_let_pass(staff: Desk, house: House) -> None:
    staff.find(refused_by_the_cap(house))
    staff.tab_to("Raise the cap")
    staff.press("Enter")
    staff.page.locator("h2", has_text="Set the cap").wait_for()

    explain_and_confirm(staff, "Set the cap")

    staff.see("The cap of Brightwater Publishing: ")
    assert staff.pointed == 0


def test_a_slash_opens_the_finder_where_nobody_types(staff: Desk) -> None:
    staff.go("/admin/credits/ledgerentry/")
    staff.press("/")
    staff.page.locator("#search-input-command:focus").wait_for()
    staff.write("nobody-is-called-so")
    staff.see("Nothing found for “nobody-is-called-so”.")
    staff.press("Escape")

    staff.page.locator("#searchbar").focus()
    staff.write("a/b")

    assert staff.page.locator("#searchbar").input_value() == "a/b"


def test_the_page_of_an_effect_has_no_fault(staff: Desk) -> None:
    staff.find("Brightwater Publishing")
    staff.click("Grant credits", role="link")
    staff.type("Amount*", "500")
    staff.type("Reason*", "asked for by mail")
    staff.click("See the effect", role="button")
    staff.page.locator("h2.op-title:focus").wait_for()

    assert faults(staff) == []
