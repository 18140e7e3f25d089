"""The tasks of a day of the staff, as data: how many clicks each may cost, which test does it in a browser, and which page of the guide explains it.

docs/console.md shows this table, and tests/config/test_guide.py compares the two: whoever adds a task adds its test and its page.
"""

from typing import NamedTuple


class Task(NamedTuple):
    """Something that staff do on an ordinary day, from the first page."""

    title: str
    clicks: int
    """The most that it may cost: a press of the mouse or of Enter is one, what is typed is none."""
    page: str
    """Of docs/console."""
    test: str
    """Its file in tests/browser, and its name."""


REFUSED = Task(
    "why was this refused, from the request's id; and another cap",
    4,
    "refused-request.md",
    "check_tasks.py::test_why_a_request_was_refused_and_another_cap_are_four_clicks_from_its_id",
)
GOODWILL = Task(
    "goodwill credits for twenty customers, with one preview",
    8,
    "goodwill.md",
    "check_tasks.py::test_goodwill_for_twenty_customers_is_eight_clicks",
)
LEAKED = Task(
    "stop a leaked key, from its first letters",
    4,
    "leaked-key.md",
    "check_cockpit.py::test_a_leaked_key_is_four_clicks_from_its_prefix",
)
STATEMENT = Task(
    "the statement of last month, of one customer",
    2,
    "statement.md",
    "check_tasks.py::test_the_statement_of_one_customer_is_two_clicks_away",
)
STATEMENTS = Task(
    "the statements of last month, of all customers",
    3,
    "month-end.md",
    "check_tasks.py::test_the_statements_of_all_are_three_clicks_away",
)
PRICE = Task(
    "a price from a day to come, and what it would do",
    5,
    "new-price.md",
    "check_tasks.py::test_a_price_from_a_day_to_come_and_what_it_would_do_are_five_clicks_away",
)
MOST = Task(
    "who used most last month, on which model",
    2,
    "who-used-most.md",
    "check_tasks.py::test_who_used_most_on_which_model_is_two_clicks_away",
)
RENEWALS = Task(
    "did last night's renewals run",
    0,
    "renewals.md",
    "check_tasks.py::test_whether_the_renewals_ran_stands_on_the_first_page",
)
BUDGET = Task(
    "a shared budget for several people",
    6,
    "shared-budget.md",
    "check_cockpit.py::test_a_shared_budget_is_six_clicks",
)
LEFT = Task(
    "a person left: what becomes of keys, holds, share and limit",
    5,
    "person-left.md",
    "check_cockpit.py::test_who_left_is_switched_off_after_what_becomes_of_it_is_said",
)
LIMIT = Task(
    "another limit for a person, and whom it blocks today",
    4,
    "rules.md",
    "check_people.py::test_another_limit_is_four_clicks_away",
)
FORGIVE = Task(
    "forgive a person what they used",
    4,
    "forgive.md",
    "check_people.py::test_forgiving_is_four_clicks_away",
)
ERASE = Task(
    "erase a person for good",
    5,
    "erase.md",
    "check_people.py::test_erasing_somebody_is_five_clicks_away",
)
TAKE_BACK = Task(
    "take back half of a grant, from the id of its entry",
    4,
    "credits.md",
    "check_tasks.py::test_a_part_of_an_entry_is_taken_back_in_four_clicks",
)
HOLDS = Task(
    "release the holds that hang, several at once",
    7,
    "holds.md",
    "check_many.py::test_holds_are_released_together_in_seven_clicks",
)
IMPORT = Task(
    "customers from a file: what is wrong, by row and column; then again, and start it",
    8,
    "import.md",
    "check_many.py::test_customers_come_from_a_file_in_eight_clicks",
)
WHAT_IF = Task(
    "what would this month have come to at other prices",
    4,
    "what-if.md",
    "check_many.py::test_a_month_by_other_prices_is_four_clicks_away",
)
APPROVE = Task(
    "approve what a colleague proposed",
    2,
    "approvals.md",
    "check_colleagues.py::test_what_a_colleague_proposed_is_approved_in_two_clicks",
)
ALERT = Task(
    "say that you take care of an alert",
    4,
    "alerts.md",
    "check_colleagues.py::test_an_alert_is_acknowledged_in_four_clicks",
)
ROLE = Task(
    "a login for a new colleague, with a role",
    6,
    "roles.md",
    "check_colleagues.py::test_a_new_colleague_gets_a_role_in_six_clicks",
)

TASKS = (
    *(REFUSED, GOODWILL, LEAKED, STATEMENT, STATEMENTS, PRICE, MOST, RENEWALS, BUDGET, LEFT),
    *(LIMIT, FORGIVE, ERASE, TAKE_BACK, HOLDS, IMPORT, WHAT_IF, APPROVE, ALERT, ROLE),
)
