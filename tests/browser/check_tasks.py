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
