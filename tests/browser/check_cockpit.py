"""The page of an organization, and those of its people, groups and keys, in a browser: how it behaves, and what tasks cost in clicks."""

import re

from tests.browser import tasks
from tests.browser.customer import another_key
from tests.browser.desk import Desk
from tests.config.test_run import House

CUSTOMER = "Brightwater Publishing"
HIGHEST = 1_600
"""How long a tab may be on a desk, in pixels: less than two windows."""


def open_customer(staff: Desk) -> None:
    staff.find(CUSTOMER)
    staff.page.get_by_role("navigation", name=f"Of {CUSTOMER}").wait_for()


def tabs(staff: Desk) -> list[str]:
    links = staff.page.get_by_role("navigation", name=f"Of {CUSTOMER}").get_by_role("link")
    return [f"{link.get_attribute('href')}" for link in links.all()]


def test_each_tab_is_less_than_two_windows_long(staff: Desk) -> None:
    open_customer(staff)
    page = staff.page.url
    heights = {}
    for tab in tabs(staff):
        staff.page.goto(page + tab, wait_until="load")
        heights[tab] = staff.page.evaluate("document.documentElement.scrollHeight")
    assert {tab: height for tab, height in heights.items() if height > HIGHEST} == {}


def test_the_head_stays_while_one_scrolls(staff: Desk) -> None:
    open_customer(staff)
    staff.page.set_viewport_size({"width": 1_440, "height": 500})

    staff.page.evaluate("scrollTo(0, 400)")
    staff.page.wait_for_function("scrollY > 300")

    top = staff.page.locator("header.head").evaluate("head => head.getBoundingClientRect().top")
    assert top == 0


def test_what_is_behind_the_dots_opens_and_closes_by_keyboard(staff: Desk) -> None:
    open_customer(staff)
    dots = staff.page.locator("details.more summary")
    suspend = staff.page.get_by_role("link", name="Suspend")
    assert not suspend.is_visible()

    dots.focus()
    staff.page.keyboard.press("Enter")
    suspend.wait_for()
    staff.page.keyboard.press("Escape")

    suspend.wait_for(state="hidden")
    assert dots.evaluate("dots => dots === document.activeElement")


def test_an_id_is_copied(staff: Desk) -> None:
    staff.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_customer(staff)

    staff.click(staff.page.locator("header.head .copy-button"))

    staff.page.get_by_label("Copied").wait_for()
    copied = staff.page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"org_[0-9a-f-]{36}", copied)


def test_a_statement_is_two_clicks_from_the_customer(staff: Desk) -> None:
    open_customer(staff)
    before = staff.clicks

    staff.click(staff.page.get_by_role("link", name="Money", exact=True).first)
    with staff.page.expect_download() as download:
        staff.click(staff.page.get_by_role("link", name=re.compile("Statement of .* as CSV")).first)

    assert download.value.suggested_filename.startswith("statement-org_")
    assert staff.clicks - before <= 2


def test_a_shared_budget_is_six_clicks(staff: Desk) -> None:
    open_customer(staff)
    staff.click("People & budgets", role="link")
    staff.click("New shared budget", role="link")
    staff.page.locator("#id_name").fill("Lab")
    staff.page.locator("#id_key").fill("lab")
    people = staff.page.locator(".select2-search__field")
    people.press_sequentially("Yuki")
    staff.page.locator(".select2-results__option--highlighted", has_text="Yuki").wait_for()
    people.focus()
    staff.press("Enter")
    staff.page.locator("#id_cap").fill("250")
    finish(staff)

    staff.page.get_by_role("link", name="Lab").first.wait_for()
    staff.within(tasks.BUDGET)


def finish(staff: Desk) -> None:
    """Save, and confirm where the effect is shown first."""
    staff.click("Save", role="button", exact=True)
    staff.page.wait_for_load_state()
    reason = staff.page.get_by_label("Reason")
    if reason.count():
        reason.first.fill("asked for by mail")
        staff.click(staff.page.locator("button.btn-primary").first)


def test_who_left_is_switched_off_after_what_becomes_of_it_is_said(staff: Desk) -> None:
    staff.find("Noor Haddad")
    staff.click(staff.page.locator("details.more summary"))
    staff.click("Switch off", role="link")
    staff.type("Reason*", "left in May")
    staff.click("See the effect", role="button")
    for words in (
        "May spend",
        "Personal keys that open something",
        "Open holds, which may still settle",
        "Limit of a calendar month",
        "Share of the allowance",
    ):
        staff.see(words)
    staff.click("Switch off Noor Haddad", role="button")

    staff.see("switched off")
    staff.within(tasks.LEFT)


def test_a_leaked_key_is_four_clicks_from_its_prefix(staff: Desk, house: House) -> None:
    another_key(house)
    open_customer(staff)
    staff.click("Keys", role="link", exact=True)
    prefix = staff.page.locator("td.mono").first.inner_text()[:20]
    staff.go("/admin/")
    staff.clicks = 0

    staff.find(prefix)
    staff.click(re.compile("^.*Revoke .*…$"), role="link")
    staff.see("Last used")
    staff.type("Reason*", "leaked")
    staff.click("See the effect", role="button")
    staff.click(re.compile(f"Revoke {prefix}"), role="button")

    staff.see("is revoked")
    staff.within(tasks.LEAKED)
