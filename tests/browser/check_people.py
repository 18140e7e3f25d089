"""What tasks about one person cost in clicks: another limit, forgiving, erasing. (Who left is in check_cockpit.py.)"""

import re

from tests.browser import tasks
from tests.browser.backstage import newcomer
from tests.browser.desk import Desk
from tests.config.test_run import House


def test_another_limit_is_four_clicks_away(staff: Desk, house: House) -> None:
    newcomer(house, "Ida Holm", used=30)

    staff.find("Ida Holm")
    staff.click("Set the limit", role="link")
    staff.type("Credits in a calendar month", "20")
    staff.type("Reason*", "a quiet month, agreed by mail")
    staff.click("See the effect", role="button")
    staff.see("refused by the limit")
    staff.click(staff.page.locator("button[value=confirm]"))

    staff.page.locator("header.head").get_by_text("Ida Holm").wait_for()
    staff.see(re.compile("of a limit of"))
    staff.within(tasks.LIMIT)


def test_forgiving_is_four_clicks_away(staff: Desk, house: House) -> None:
    newcomer(house, "Tom Vale", used=40)

    staff.find("Tom Vale")
    staff.click("Forgive usage", role="link")
    staff.type("Amount*", "15")
    staff.type("Reason*", "a loop of ours")
    staff.click("See the effect", role="button")
    staff.see("Used this month")
    staff.click("Forgive usage Tom Vale", role="button")

    staff.see(re.compile("15 credits forgiven"))
    staff.within(tasks.FORGIVE)


def test_erasing_somebody_is_five_clicks_away(staff: Desk, house: House) -> None:
    newcomer(house, "Vera Quill", used=5)

    staff.find("Vera Quill")
    staff.click(staff.page.locator("details.more summary"))
    staff.click(re.compile("Erase person"), role="link")
    staff.type("Reason*", "asked for by letter")
    staff.click("See the effect", role="button")
    for words in ("Name", "External id", "Personal keys that open something"):
        staff.see(words)
    staff.click(re.compile("^Erase person"), role="button")

    staff.see(re.compile("is erased"))
    assert "Vera Quill" not in staff.page.content()
    staff.within(tasks.ERASE)
