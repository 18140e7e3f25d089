"""What a day of the staff costs in clicks: the tasks of docs/console.md, done by hand. Those of one customer's page are in check_cockpit.py."""

import re

from tests.browser.customer import refused_by_the_cap
from tests.browser.desk import Desk
from tests.config.test_run import House


def test_why_a_request_was_refused_and_another_cap_are_four_clicks_from_its_id(
    staff: Desk, house: House
) -> None:
    request = refused_by_the_cap(house)

    staff.find(request)
    staff.see("Why was this refused?")
    staff.see(re.compile(r"The work needed 500 credits; the cap of .* had 50 left"))
    staff.click(re.compile("Raise the cap"), role="link")
    staff.type("Reason*", "a busy month, agreed by mail")
    staff.click("See the effect", role="button")
    staff.see("Now")
    staff.click(staff.page.locator("button[value=confirm]"))

    staff.see(re.compile("The cap of .*: "))
    assert staff.clicks <= 4


def test_who_used_most_on_which_model_is_two_clicks_away(staff: Desk) -> None:
    staff.click("Usage", role="link", exact=True)
    staff.click("Who used most", role="link")

    staff.page.get_by_role("region", name="Who used most").wait_for()
    assert staff.clicks <= 2


def test_goodwill_for_many_is_eight_clicks(staff: Desk) -> None:
    staff.click("Organizations", role="link", exact=True)
    staff.click(staff.page.locator("#action-toggle"))
    staff.click(staff.page.locator(".selection-buttons button", has_text="Grant").first)
    staff.type("Amount*", "500")
    staff.type("Reason*", "goodwill after an outage")
    staff.click("See the effect", role="button")
    staff.click(staff.page.locator("form[action$='/confirm/'] button"))

    staff.see(re.compile(r"done, 0 skipped, 0 failed"))
    assert staff.clicks <= 8


def test_a_price_from_a_day_to_come_and_what_it_would_do_are_five_clicks_away(staff: Desk) -> None:
    staff.click("Prices", role="link")
    staff.click(re.compile("^claude-sonnet-5-5"), role="link")
    staff.click(re.compile("New prices from"), role="link")
    staff.type("From*", "2030-12-01")
    staff.page.get_by_label(re.compile("^output tokens")).first.fill("1,100")
    staff.click("See the effect", role="button")
    staff.see("dearer")
    staff.see("The last 30 days again at these prices")
    staff.type("Reason*", "the provider asks more")
    staff.click(staff.page.locator("button[value=confirm]"))

    staff.see(re.compile("has its new prices from"))
    staff.see("From 1 Dec 2030")
    assert staff.clicks <= 5
