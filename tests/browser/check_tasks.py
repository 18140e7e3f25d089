"""What a day of the staff costs in clicks: the tasks of docs/console.md, done by hand."""

from tests.browser.desk import Desk


def test_is_signed_in(staff: Desk) -> None:
    staff.see("Purser")
    assert staff.clicks == 0
