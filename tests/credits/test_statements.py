"""The statement of a billing period: it adds up whatever happened, and once closed it never changes."""

from decimal import Decimal

import pytest

from credits import services
from credits.models import BillingPeriod, LedgerEntry
from credits.services import statements
from organizations.sheet import lines
from tests import factories as f
from tests.credits.tampering import make_world
from tests.factories import at, later

pytestmark = pytest.mark.django_db(transaction=True)


def csv_of(period: BillingPeriod) -> str:
    """Return a statement as it is downloaded."""
    again = BillingPeriod.objects.select_related("wallet__organization").get(pk=period.pk)
    return "".join(lines(services.statement_rows(again)))


def entries_in(text: str) -> list[list[str]]:
    """Return the lines of a download's entries, in cells."""
    _, table = text.split("\r\n\r\n")
    return [line.split(",") for line in table.splitlines()[1:]]


class TestStatementOf:
    def test_adds_up_in_a_world_with_every_kind_of_entry(self) -> None:
        make_world()

        periods = BillingPeriod.objects.select_related("wallet")
        for period in periods:
            s = services.statement_of(period)
            came = s.granted + s.received + s.adjusted + s.reversed
            went = s.used + s.lapsed + s.sent
            closing = period.wallet.balance if period.closed_at is None else period.closing_balance
            assert s.opening + came - went == s.closing == closing

        kinds = set(LedgerEntry.objects.values_list("kind", flat=True))
        assert kinds == set(LedgerEntry.Kind)
        assert len(periods) >= 5

    def test_says_what_came_and_what_went(self) -> None:
        parent, child = f.make_family(funded=100, allowance=50)
        f.adjust(child, -5)
        _, received = f.allocate(child, 40)
        f.reverse(f.grant(child, 7))
        f.spend(child, 30)
        f.renew(child, now=at("2026-06-01"))

        may, june = (services.statement_of(period) for period in f.periods_of(child))

        assert may[:-1] == f.amounts(0, 57, 40, -5, -7, 30, 15, 0, 40)
        assert june[:-1] == f.amounts(40, 50, 0, 0, 0, 0, 0, 0, 90)
        assert services.statement_of(f.periods_of(parent)[0]).sent == received.amount

    def test_counts_what_rolled_over_once(self) -> None:
        one = f.make_organization(allowance=50, rollover_limit=20)
        f.renew(one, now=at("2026-06-01"))

        may, june = (services.statement_of(period) for period in f.periods_of(one))

        assert (may.granted, may.lapsed, may.closing) == f.amounts(50, 30, 20)
        assert (june.opening, june.granted, june.closing) == f.amounts(20, 50, 70)

    def test_is_empty_where_nothing_happened(self) -> None:
        one = f.make_organization()

        assert services.statement_of(f.periods_of(one)[0]) == (*f.amounts(*[0] * 9), 0)


class TestStatementRows:
    def test_are_the_numbers_and_every_entry_that_makes_them_up(self) -> None:
        _, child = make_world()
        may = f.periods_of(child)[0]

        rows = entries_in(csv_of(may))

        entries = LedgerEntry.objects.filter(period=may).order_by("number")
        assert [row[1] for row in rows] == [entry.public_id for entry in entries]
        assert [row[4] for row in rows] == [f"{entry.amount:f}" for entry in entries]

    def test_say_who_was_on_the_other_side_and_what_was_taken_back(self) -> None:
        parent, child = f.make_family()
        sent, _ = f.allocate(child, 10)
        f.reverse(sent)

        (_, row, back) = entries_in(csv_of(f.periods_of(parent)[0]))

        assert row[10] == back[10] == child.public_id
        assert (row[11], back[11]) == ("", sent.public_id)

    def test_are_read_in_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _, child = make_world()
        (may, *_) = f.periods_of(child)
        whole = csv_of(may)
        monkeypatch.setattr(statements, "ROWS_AT_ONCE", 2)

        assert csv_of(may) == whole

    def test_of_a_closed_period_stay_as_they_are_to_the_byte(self) -> None:
        _, child = make_world()
        may = f.periods_of(child)[0]
        before = csv_of(may)

        charge = LedgerEntry.objects.filter(period=may, kind="settle")[0]
        f.reverse(charge, now=at("2026-06-10"))
        for hold in child.wallet.reservations.filter(status="open"):
            f.settle(hold, 4, now=at("2026-06-11"))
        type(child).objects.filter(pk=child.pk).update(name="=cmd()")
        f.renew(child, now=at("2026-09-01"))
        f.archive(child, now=at("2026-09-02"))

        assert csv_of(may) == before

    def test_are_no_formulas(self) -> None:
        one = f.make_organization()
        services.grant(
            organization=one,
            amount=Decimal(1),
            reason="=HYPERLINK(1)",
            performed_by="staff:@ana",
            now=later(minutes=1),
        )

        (row,) = entries_in(csv_of(f.periods_of(one)[0]))

        assert row[6:8] == ["'=HYPERLINK(1)", "staff:@ana"]
