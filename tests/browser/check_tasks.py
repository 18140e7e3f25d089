"""What a day of the staff costs in clicks (tests/browser/tasks.py): what begins on the first page, on a list, or with an id in hand."""

import re

from tests.browser import tasks
from tests.browser.backstage import customers
from tests.browser.customer import call, child_of, refused_by_the_cap
from tests.browser.desk import Desk
from tests.config.test_run import House

MANY = 20


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
    staff.within(tasks.REFUSED)


def test_whether_the_renewals_ran_stands_on_the_first_page(staff: Desk) -> None:
    said = staff.page.get_by_role("region", name="How all is").locator(".well-said").inner_text()

    assert re.search(r"All renewals ran|No renewal (was|has been) due|Renewals run now", said), said
    assert "Ledger verified" in said
    staff.within(tasks.RENEWALS)


def test_who_used_most_on_which_model_is_two_clicks_away(staff: Desk) -> None:
    staff.click("Usage", role="link", exact=True)
    staff.click("Who used most", role="link")

    most = staff.page.get_by_role("region", name="Who used most")
    most.get_by_text(re.compile(r"(claude|gpt|gemini)-")).first.wait_for()
    staff.within(tasks.MOST)


def test_the_statement_of_one_customer_is_two_clicks_away(staff: Desk) -> None:
    staff.click(re.compile("^Statements of"), role="link")
    with staff.page.expect_download() as download:
        staff.click("Statement of Brightwater Publishing as CSV", role="link")

    assert download.value.suggested_filename.startswith("statement-org_")
    staff.within(tasks.STATEMENT)


def test_the_statements_of_all_are_three_clicks_away(staff: Desk) -> None:
    staff.click(re.compile("^Statements of"), role="link")
    with staff.page.expect_download() as download:
        staff.click("All, a line each", role="link")

    lines = download.value.path().read_text().splitlines()
    assert sum("Brightwater Publishing" in line for line in lines) == 1
    assert sum("Oakline Legal" in line for line in lines) == 1
    staff.within(tasks.STATEMENTS)


def test_goodwill_for_twenty_customers_is_eight_clicks(staff: Desk, house: House) -> None:
    customers(house, "Harbour café", many=MANY)

    staff.click("Organizations", role="link", exact=True)
    staff.page.locator("#searchbar").fill("Harbour café")
    staff.press("Enter")
    staff.see(f"{MANY} organizations")
    staff.click(staff.page.locator("#action-toggle"))
    staff.click(staff.page.locator(".selection-buttons button", has_text="Grant").first)
    staff.type("Amount*", "500")
    staff.type("Reason*", "goodwill after an outage")
    staff.click("See the effect", role="button")
    staff.page.get_by_role("region", name="Each of them").get_by_role("row").nth(MANY).wait_for()
    staff.click(staff.page.locator("form[action$='/confirm/'] button"))

    staff.see(re.compile(r"done, 0 skipped, 0 failed"))
    staff.page.get_by_role("img", name=f"{MANY} of {MANY}").wait_for()
    staff.within(tasks.GOODWILL)


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
    staff.within(tasks.PRICE)


def test_a_part_of_an_entry_is_taken_back_in_four_clicks(staff: Desk, house: House) -> None:
    order = f"organizations/{child_of(house)}/credits/allocate"
    made = call(house, "parent", "POST", order, credits=80, description="Twice by mistake")
    entry = call(house, "child", "GET", "credits/events?limit=1")["items"][0]["eventId"]
    assert "error" not in made, made

    staff.find(entry)
    staff.click("Reverse…", role="link")
    staff.page.locator("#id_amount").fill("40")
    staff.type("Reason*", "it was paid once")
    staff.click("See the effect", role="button")
    staff.click(re.compile(r"Reverse entry #\d+"), role="button")

    staff.see(re.compile("40 reversed"))
    staff.within(tasks.TAKE_BACK)
