"""Pages that no link leads to have no fault either: the login, its second step, errors, forms that are refused, effects, a secret, and lists with nothing in them."""

import re
from collections.abc import Callable, Iterator

import pytest
from django.test import RequestFactory
from playwright.sync_api import Browser

from config import exceptions
from tests.browser.axe import faults
from tests.browser.backstage import PASSWORD, customers, run
from tests.browser.conftest import Login
from tests.browser.desk import Desk, desk
from tests.config.test_run import House

CUSTOMER = "Brightwater Publishing"
WITH_A_FACTOR = f"""
from django.contrib.auth.models import User
from django_otp.plugins.otp_totp.models import TOTPDevice
user = User.objects.create_superuser("otto", password={PASSWORD!r})
TOTPDevice.objects.create(user=user, name="app")
User.objects.create_user("vera", password={PASSWORD!r}, is_staff=True)
"""


@pytest.fixture
def stranger(browser: Browser, house: House) -> Iterator[Desk]:
    """Somebody who is not logged in. What a browser says of an answer that refuses is no complaint of ours."""
    with desk(browser, house) as opened:
        yield opened
        assert [said for said in opened.complaints if "Failed to load resource" not in said] == []


def form_of(staff: Desk, button: str) -> None:
    staff.find(CUSTOMER)
    staff.click(button, role="link")


def refused_form(staff: Desk) -> None:
    form_of(staff, "Grant credits")
    staff.type("Amount*", "a lot")
    staff.click("See the effect", role="button")
    staff.see("This field is required")


def harsher_cap(staff: Desk) -> None:
    form_of(staff, "Set the cap")
    staff.type("Cap of a billing period", "1")
    staff.type("Reason*", "asked for by mail")
    staff.click("See the effect", role="button")
    staff.page.locator("h2.op-title:focus").wait_for()


def rule_to_confirm(staff: Desk) -> None:
    staff.go("/admin/organizations/usageprofile/")
    staff.click(staff.page.locator("#result_list a[href*='/change/']").first)
    staff.page.locator("#id_name").fill("Quite another name")
    staff.click("Save", role="button", exact=True)
    staff.page.locator("h2.op-title:focus").wait_for()


def prices_to_confirm(staff: Desk) -> None:
    staff.click("Prices", role="link")
    staff.click(re.compile("^claude-sonnet-5-5"), role="link")
    staff.click(re.compile("New prices from"), role="link")
    staff.type("From*", "2031-12-01")
    staff.page.get_by_label(re.compile("^output tokens")).first.fill("1,200")
    staff.click("See the effect", role="button")
    staff.page.locator("h2.op-title:focus").wait_for()


def secret(staff: Desk) -> None:
    staff.find(CUSTOMER)
    staff.click("Keys", role="link", exact=True)
    staff.click("New key", role="link")
    staff.type("Name*", "a new one")
    staff.page.locator("input[type=checkbox]").first.check()
    staff.type("Reason*", "asked for by mail")
    staff.click("See the effect", role="button")
    staff.click(staff.page.locator("button[value=confirm]"))
    staff.page.locator(".op-secret").wait_for()


def asked_again(staff: Desk) -> None:
    staff.click("Refusals", role="link")
    staff.click(staff.page.locator("#result_list a[href*='/change/']").first)
    staff.click("Would it pass now?", role="button")
    staff.page.locator(".why-now").wait_for()


def nothing_found(staff: Desk) -> None:
    staff.go("/admin/organizations/organization/?q=nobody-is-called-so")
    staff.see("Nothing fits")


def nothing_failed(staff: Desk) -> None:
    staff.go("/admin/organizations/failure/?kind__exact=nothing")
    staff.page.locator(".empty-list, #result_list").wait_for()


def own_password(staff: Desk) -> None:
    staff.go("/admin/password_change/")
    staff.page.get_by_label("Old password").wait_for()


def password_of_another(staff: Desk) -> None:
    staff.go("/admin/auth/user/1/password/")
    staff.page.locator("input[type=password]").first.wait_for()


def finder(staff: Desk) -> None:
    staff.page.keyboard.press("Control+k")
    staff.page.locator("#search-input-command:focus").wait_for()
    staff.write("bright")
    staff.page.locator("#command-results-list li a").first.wait_for()


STATES: tuple[Callable[[Desk], None], ...] = (
    *(refused_form, harsher_cap, rule_to_confirm, prices_to_confirm, secret, asked_again),
    *(nothing_found, nothing_failed, finder, own_password, password_of_another),
)


@pytest.mark.parametrize("come_to", STATES, ids=lambda state: state.__name__)
def test_what_a_form_leads_to_has_no_fault(staff: Desk, come_to: Callable[[Desk], None]) -> None:
    come_to(staff)

    assert faults(staff) == []


def test_a_customer_of_whom_there_is_nothing_yet_has_no_fault(staff: Desk, house: House) -> None:
    customers(house, "Newcomer", many=1)
    staff.find("Newcomer 01")
    page = staff.page.url
    tabs = staff.page.get_by_role("navigation", name="Of Newcomer 01").get_by_role("link").all()
    found = {}
    for tab in [link.get_attribute("href") or "" for link in tabs]:
        staff.page.goto(page + tab, wait_until="load")
        found[tab] = faults(staff)

    assert {tab: there for tab, there in found.items() if there} == {}


def test_the_login_and_its_second_step_have_no_fault(stranger: Desk, house: House) -> None:
    run(house, WITH_A_FACTOR)
    stranger.go("/admin/")
    assert faults(stranger) == []

    stranger.page.fill("#id_username", "otto")
    stranger.page.fill("#id_password", "wrong")
    stranger.press("Enter")
    stranger.see(re.compile("correct username|do not fit|wrong", re.IGNORECASE))
    assert faults(stranger) == []

    stranger.log_in("otto", PASSWORD)
    stranger.see("Second step")
    assert faults(stranger) == []


@pytest.mark.parametrize("path", ["/admin/credits/wallet/", "/admin/there/is/nothing/"])
def test_an_answer_that_refuses_has_no_fault(stranger: Desk, house: House, path: str) -> None:
    run(
        house,
        "from django.contrib.auth.models import User\n"
        "User.objects.filter(username='mute').exists() or "
        f"User.objects.create_user('mute', password={PASSWORD!r}, is_staff=True)",
    )
    stranger.go("/admin/")
    stranger.log_in("mute", PASSWORD)

    assert stranger.go(path) in (403, 404)
    assert faults(stranger) == []


def test_a_form_whose_mark_is_lost_has_no_fault(stranger: Desk, administrator: Login) -> None:
    stranger.sign_in(*administrator)
    form_of(stranger, "Grant credits")
    stranger.page.context.clear_cookies(name="csrftoken")
    stranger.page.evaluate("document.querySelector('[name=csrfmiddlewaretoken]').value = ''")
    stranger.click("See the effect", role="button")
    stranger.see("This form is too old, or not of this page")

    assert faults(stranger) == []


def test_what_broke_has_no_fault(stranger: Desk) -> None:
    stranger.page.set_content(
        exceptions.server_error(RequestFactory().get("/admin/")).content.decode()
    )

    assert faults(stranger) == []
