"""A login that ended in the middle of a form: what was typed is there again after the next one, and nothing was done meanwhile."""

from tests.browser.conftest import Login
from tests.browser.desk import Desk

TYPED = "sessionStorage.getItem('purser.typed')"


def sign_in_again(staff: Desk, administrator: Login) -> None:
    staff.page.wait_for_url(lambda url: "/login/" in url)
    staff.log_in(*administrator)


def end_login(staff: Desk) -> None:
    staff.page.context.clear_cookies(name="sessionid")


def fill_in(staff: Desk) -> None:
    staff.find("Brightwater Publishing")
    staff.click("Grant credits", role="link")
    staff.type("Amount*", "512")
    staff.type("Reason*", "asked for by mail")
    staff.page.get_by_label("Category").select_option("goodwill")


def test_what_was_typed_is_back(staff: Desk, administrator: Login) -> None:
    fill_in(staff)
    end_login(staff)
    staff.click("See the effect", role="button")
    sign_in_again(staff, administrator)

    staff.see("What you typed is back")
    assert staff.page.get_by_label("Amount*", exact=True).input_value() == "512"
    assert staff.page.get_by_label("Reason*", exact=True).input_value() == "asked for by mail"
    assert staff.page.get_by_label("Category").input_value() == "goodwill"
    staff.click("See the effect", role="button")
    staff.page.locator("h2.op-title:focus").wait_for()
    assert staff.page.evaluate(TYPED) is None


def test_it_is_back_from_the_page_that_asks_to_confirm_too(
    staff: Desk, administrator: Login
) -> None:
    fill_in(staff)
    staff.click("See the effect", role="button")
    staff.page.locator("h2.op-title:focus").wait_for()
    end_login(staff)
    staff.click(staff.page.locator("button[value=confirm]"))
    sign_in_again(staff, administrator)

    assert staff.page.get_by_label("Amount*", exact=True).input_value() == "512"


def test_it_is_back_once(staff: Desk, administrator: Login) -> None:
    fill_in(staff)
    path = staff.page.url.removeprefix(staff.address)
    end_login(staff)
    staff.click("See the effect", role="button")
    sign_in_again(staff, administrator)
    staff.see("What you typed is back")
    staff.go(path)

    assert staff.page.get_by_label("Amount*", exact=True).input_value() == ""
    assert staff.page.evaluate(TYPED) is None
