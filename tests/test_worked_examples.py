"""Stories an accountant can check: what happened to each customer, entry by entry, with every balance."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from credits import services
from credits.models import Grant
from organizations.models import Organization
from tests.factories import (
    Amount,
    adjust,
    allocate,
    amounts,
    archive,
    at,
    entries_of,
    expire,
    extend,
    grant,
    grants_of,
    grow,
    make_organization,
    money_of,
    periods_of,
    recharge,
    refused,
    release,
    renew,
    reserve,
    set_terms,
    settle,
    spend,
    wallet_of,
)

pytestmark = pytest.mark.django_db(transaction=True)

Line = tuple[int, str, Amount, Amount, str]
"""A row of the ledger: number, kind, amount, balance after it, and the day it was posted."""


def ledger_of(organization: Organization) -> list[Line]:
    return [
        (e.number, e.kind, e.amount, e.balance_after, f"{e.posted_at:%Y-%m-%d}")
        for e in entries_of(organization)
    ]


def ledger(*rows: tuple[str, Amount, Amount, str]) -> list[Line]:
    """Number the expected rows, and read their amounts."""
    return [
        (number, kind, Decimal(amount), Decimal(balance), day)
        for number, (kind, amount, balance, day) in enumerate(rows, start=1)
    ]


def expect(
    organization: Organization, *, balance: Amount, reserved: Amount = 0, available: Amount
) -> None:
    """Fail unless a wallet stands exactly so."""
    assert money_of(organization) == amounts(balance, reserved, available)


def lots_of(organization: Organization) -> list[tuple[str, Decimal, Decimal]]:
    """Return the grants, oldest first: source, amount, and what remains."""
    return [(g.source, g.amount, g.remaining) for g in grants_of(organization)]


def statements_of(organization: Organization) -> list[tuple[str, Decimal, Decimal, Decimal]]:
    """Return one row per billing period: its first day, opening balance, closing balance, and what its cap counted."""
    wallet = wallet_of(organization)
    return [
        (
            f"{p.starts_at:%Y-%m-%d}",
            p.opening_balance,
            wallet.balance if p.closing_balance is None else p.closing_balance,
            p.used,
        )
        for p in periods_of(organization)
    ]


class TestTheResellersMonth:
    """Harbour sells AI video to game studios. It pays in advance and hands credits on to its customers."""

    def test_ends_with_every_credit_accounted_for(self) -> None:
        # 1 May. Harbour pays for 10,000 credits, and gets 500 as a welcome that end on 20 May.
        harbour = make_organization("Harbour Reseller", now=at("2026-05-01 09:00"))
        grant(harbour, 10_000, now=at("2026-05-01 09:05"))
        grant(harbour, 500, now=at("2026-05-01 09:06"), expires_at=at("2026-05-20"))
        expect(harbour, balance=10_500, available=10_500)

        # Nordwind is its first customer: at most 1,000 credits a month; below 50 it is refilled with 200.
        nordwind = make_organization(
            "Nordwind Games",
            parent=harbour,
            monthly_cap=1_000,
            refill_threshold=50,
            refill_amount=200,
            now=at("2026-05-02 10:00"),
        )

        # Harbour hands it 600. The welcome credits end first, so they go first, and keep their end.
        allocate(nordwind, 600, now=at("2026-05-02 10:30"))
        expect(harbour, balance=9_900, available=9_900)
        expect(nordwind, balance=600, available=600)
        assert [(g.amount, g.expires_at) for g in grants_of(nordwind)] == [
            (Decimal(500), at("2026-05-20")),
            (Decimal(100), None),
        ]

        # 5 May. A trailer: 120 credits are held; it costs 97.5, and the rest is free again.
        trailer = reserve(nordwind, 120, now=at("2026-05-05 14:00"))
        expect(nordwind, balance=600, reserved=120, available=480)
        settle(trailer, "97.5", now=at("2026-05-05 14:04"))
        expect(nordwind, balance="502.5", available="502.5")

        # 6 May. A render is started and called off: no row in the ledger.
        release(reserve(nordwind, 300, now=at("2026-05-06 11:00")), now=at("2026-05-06 11:01"))
        expect(nordwind, balance="502.5", available="502.5")

        # 12 May. A render costs more than was thought: 380 were held, 420 are charged.
        settle(reserve(nordwind, 380, now=at("2026-05-12 08:00")), 420, now=at("2026-05-12 08:10"))
        expect(nordwind, balance="82.5", available="82.5")

        # 13 May. The next one needs 60 and would leave 22.5, below 50: 200 come from Harbour first.
        clip = reserve(nordwind, 60, now=at("2026-05-13 16:00"))
        expect(nordwind, balance="282.5", reserved=60, available="222.5")
        expect(harbour, balance=9_700, available=9_700)
        settle(clip, 60, now=at("2026-05-13 16:02"))

        # 19 May. The cap counts 97.5 + 420 + 60 = 577.5. Asked for 422.6, it says no, and names the cap;
        # for 422.5 it lands on it, after another refill.
        denial = refused(nordwind, "422.6", now=at("2026-05-19 10:00"))
        assert denial.reason == "cap"
        assert denial.unblocks_at is None  # in June one refill would bring 422.5
        film = reserve(nordwind, "422.5", now=at("2026-05-19 10:05"))
        expect(nordwind, balance="422.5", reserved="422.5", available=0)
        settle(film, "422.5", now=at("2026-05-19 11:00"))

        # 20 May. What was left of the welcome credits had been spent: nothing lapses.
        renew(nordwind, now=at("2026-05-20 00:00"))
        renew(harbour, now=at("2026-05-20 00:00"))
        expect(nordwind, balance=0, available=0)

        # 28 May. Nordwind pays Harbour for 500 more, but its cap is reached: they wait for June.
        allocate(nordwind, 500, now=at("2026-05-28 09:00"))
        assert refused(nordwind, 1, now=at("2026-05-28 09:01")).reason == "cap"

        # 31 May, 23:50. Still refused; ten minutes later a new month has begun.
        assert refused(nordwind, 10, now=at("2026-05-31 23:50")).reason == "cap"
        spend(nordwind, 10, now=at("2026-06-01 00:00"))

        # 3 June. Nordwind leaves while a last render of 40 is running: 450 go home at once,
        # and 15 when the render turns out to cost 25.
        last = reserve(nordwind, 40, now=at("2026-06-03 12:00"), ttl=timedelta(hours=1))
        archival = archive(nordwind, now=at("2026-06-03 12:10"))
        assert archival.reclaimed_credits == 450
        expect(nordwind, balance=40, reserved=40, available=0)
        settle(last, 25, now=at("2026-06-03 12:30"))
        expect(nordwind, balance=0, available=0)

        assert ledger_of(nordwind) == ledger(
            ("allocate", 600, 600, "2026-05-02"),
            ("settle", "-97.5", "502.5", "2026-05-05"),
            ("settle", -420, "82.5", "2026-05-12"),
            ("refill", 200, "282.5", "2026-05-13"),
            ("settle", -60, "222.5", "2026-05-13"),
            ("refill", 200, "422.5", "2026-05-19"),
            ("settle", "-422.5", 0, "2026-05-19"),
            ("allocate", 500, 500, "2026-05-28"),
            ("settle", -10, 490, "2026-06-01"),
            ("sweep", -450, 40, "2026-06-03"),
            ("settle", -25, 15, "2026-06-03"),
            ("sweep", -15, 0, "2026-06-03"),
        )
        assert ledger_of(harbour) == ledger(
            ("grant", 10_000, 10_000, "2026-05-01"),
            ("grant", 500, 10_500, "2026-05-01"),
            ("allocate", -600, 9_900, "2026-05-02"),
            ("refill", -200, 9_700, "2026-05-13"),
            ("refill", -200, 9_500, "2026-05-19"),
            ("allocate", -500, 9_000, "2026-05-28"),
            ("sweep", 450, 9_450, "2026-06-03"),
            ("sweep", 15, 9_465, "2026-06-03"),
        )
        # Every credit that left the family was work: 10,500 − 9,465 = 1,035 = 1,000 in May, 35 in June.
        assert statements_of(nordwind) == [
            ("2026-05-01", *amounts(0, 500, 1_000)),
            ("2026-06-01", *amounts(500, 0, 35)),
        ]
        assert statements_of(harbour) == [
            ("2026-05-01", *amounts(0, 9_000, 0)),
            ("2026-06-01", *amounts(9_000, 9_465, 0)),
        ]


class TestTheYearlySubscriber:
    """Lumen has 1,200 credits a year from 31 January on; 100 of what is left may go into the next."""

    def test_ends_with_every_credit_accounted_for(self) -> None:
        # 31 January. The year begins, and its credits with it. The cap of 300 a month counts
        # from the 31st to the last day of February, and so on: no month is skipped, none drifts.
        lumen = make_organization(
            "Lumen Studio",
            allowance=1_200,
            term="year",
            anchored_on=date(2027, 1, 31),
            rollover_limit=100,
            monthly_cap=300,
            now=at("2027-01-31 08:00"),
        )
        expect(lumen, balance=1_200, available=1_200)

        # February to May: 300 in the first period, to the last credit of its cap; then 250.
        spend(lumen, 300, now=at("2027-02-10"))
        assert refused(lumen, "0.000001", now=at("2027-02-27 23:59:59.999999")).reason == "cap"
        spend(lumen, 250, now=at("2027-02-28 00:00"))

        # 15 April. Lumen buys nothing, but gets 80 as an apology, to be used before 1 July.
        grant(lumen, 80, now=at("2027-04-15"), expires_at=at("2027-07-01"))
        # 20 May. 60 credits of work: the apology ends before the allowance does, so it pays.
        spend(lumen, 60, now=at("2027-05-20"))
        assert lots_of(lumen) == [
            (Grant.Source.ALLOWANCE, *amounts(1_200, 650)),
            (Grant.Source.GRANT, *amounts(80, 20)),
        ]

        # 1 July. The last 20 of the apology lapse; nobody made a request, the calendar did it.
        renew(lumen, now=at("2027-07-01"))
        expect(lumen, balance=650, available=650)

        # 30 December. A correction: a render of the 28th was charged twice.
        spend(lumen, 45, now=at("2027-12-28"))
        adjust(lumen, 5, now=at("2027-12-30"))

        # 30 January, 23:59. A long render is held over the end of the year.
        render = reserve(lumen, 50, now=at("2028-01-30 23:59"), ttl=timedelta(hours=2))
        expect(lumen, balance=610, reserved=50, available=560)

        # 31 January. Of 605 included credits 505 lapse, holds or no holds; 100 roll over into the
        # new year's grant of 1,300. The correction is not of the year: it stays.
        renew(lumen, now=at("2028-01-31 00:00"))
        expect(lumen, balance=1_305, reserved=50, available=1_255)
        assert lots_of(lumen)[-1] == (Grant.Source.ALLOWANCE, *amounts(1_300, 1_300))

        # 00:40. The render is done. It is charged today, on the new statement and from the new
        # credits; but the month that counts it is the one in which it was admitted.
        settle(render, 50, now=at("2028-01-31 00:40"))

        # For the next year Lumen takes 2,400. Nothing changes before the next anniversary.
        set_terms(lumen, allowance=2_400, now=at("2028-03-01"))
        expect(lumen, balance=1_255, available=1_255)
        # Lumen makes no request for a year, and is looked at again on 31 January 2029.
        renew(lumen, now=at("2029-01-31 09:00"))

        assert ledger_of(lumen) == ledger(
            ("renew", 1_200, 1_200, "2027-01-31"),
            ("settle", -300, 900, "2027-02-10"),
            ("settle", -250, 650, "2027-02-28"),
            ("grant", 80, 730, "2027-04-15"),
            ("settle", -60, 670, "2027-05-20"),
            ("lapse", -20, 650, "2027-07-01"),
            ("settle", -45, 605, "2027-12-28"),
            ("adjust", 5, 610, "2027-12-30"),
            ("lapse", -505, 105, "2028-01-31"),
            ("renew", 1_200, 1_305, "2028-01-31"),
            ("settle", -50, 1_255, "2028-01-31"),
            ("lapse", -1_150, 105, "2029-01-31"),
            ("renew", 2_400, 2_505, "2029-01-31"),
        )
        assert lots_of(lumen) == [
            (Grant.Source.ALLOWANCE, *amounts(1_200, 0)),
            (Grant.Source.GRANT, *amounts(80, 0)),
            (Grant.Source.ADJUSTMENT, *amounts(5, 5)),
            (Grant.Source.ALLOWANCE, *amounts(1_300, 0)),
            (Grant.Source.ALLOWANCE, *amounts(2_500, 2_500)),
        ]
        assert statements_of(lumen) == [
            ("2027-01-31", *amounts(0, 900, 300)),
            ("2027-02-28", *amounts(900, 650, 250)),
            ("2027-03-31", *amounts(650, 730, 0)),
            ("2027-04-30", *amounts(730, 670, 60)),
            ("2027-05-31", *amounts(670, 670, 0)),
            ("2027-06-30", *amounts(670, 650, 0)),
            ("2027-07-31", *amounts(650, 650, 0)),
            ("2027-08-31", *amounts(650, 650, 0)),
            ("2027-09-30", *amounts(650, 650, 0)),
            ("2027-10-31", *amounts(650, 650, 0)),
            ("2027-11-30", *amounts(650, 610, 45)),
            ("2027-12-31", *amounts(610, 105, 50)),
            ("2028-01-31", *amounts(105, 1_255, 0)),
            ("2028-02-29", *amounts(1_255, 1_255, 0)),
            ("2028-03-31", *amounts(1_255, 1_255, 0)),
            ("2028-04-30", *amounts(1_255, 1_255, 0)),
            ("2028-05-31", *amounts(1_255, 1_255, 0)),
            ("2028-06-30", *amounts(1_255, 1_255, 0)),
            ("2028-07-31", *amounts(1_255, 1_255, 0)),
            ("2028-08-31", *amounts(1_255, 1_255, 0)),
            ("2028-09-30", *amounts(1_255, 1_255, 0)),
            ("2028-10-31", *amounts(1_255, 1_255, 0)),
            ("2028-11-30", *amounts(1_255, 1_255, 0)),
            ("2028-12-31", *amounts(1_255, 105, 0)),
            ("2029-01-31", *amounts(105, 2_505, 0)),
        ]


class TestThePrepaidCustomerInDebt:
    """Kestrel pays in advance, may go 25 below zero, and once goes further because the work was done."""

    def test_ends_with_every_credit_accounted_for(self) -> None:
        # 3 March. Kestrel buys 100 credits, and may buy up to 150 in a month.
        kestrel = make_organization(
            "Kestrel Labs", overdraft_limit=25, recharge_limit=150, now=at("2026-03-03 09:00")
        )
        recharge(kestrel, 100, now=at("2026-03-03 09:01"))

        # 4 March. A model that streams: 30 are held, then 70, then 110, and its heart beats on.
        stream = reserve(kestrel, 30, now=at("2026-03-04 10:00"))
        extend(stream, minutes=15, now=at("2026-03-04 10:10"))
        grow(stream, 70, now=at("2026-03-04 10:12"))
        grow(stream, 110, now=at("2026-03-04 10:20"))
        # 10 of the 110 are overdraft: nothing is available, 15 could still be held.
        expect(kestrel, balance=100, reserved=110, available=0)
        assert refused(kestrel, 16, now=at("2026-03-04 10:21")).affordable_credits == 15

        # It ends at 10:24 and cost 108: all 100 credits, and 8 of debt.
        settle(stream, 108, now=at("2026-03-04 10:24"))
        expect(kestrel, balance=-8, available=0)

        # 17 more may be held. The caller dies; nobody settles, and at 11:15 the hold is over.
        lost = reserve(kestrel, 17, now=at("2026-03-04 11:00"))
        assert refused(kestrel, 1, now=at("2026-03-04 11:14")).reason == "balance"
        assert expire(kestrel, now=at("2026-03-04 11:15")) == 1

        # 12:00. It had not died: the work was done, and cost 40. It is charged, and marked late.
        # The debt is 48 now, beyond what admission would have allowed: work that was done is charged.
        assert settle(lost, 40, now=at("2026-03-04 12:00")).late
        assert settle(lost, 40, now=at("2026-03-04 12:01")).settled_credits == 40
        expect(kestrel, balance=-48, available=0)
        assert refused(kestrel, "0.000001", now=at("2026-03-04 12:02")).reason == "balance"

        # 5 March. Kestrel buys 50, all that its limit leaves: 48 pay the debt, 2 remain.
        with pytest.raises(services.RechargeLimitReached):
            recharge(kestrel, 51, now=at("2026-03-05 08:00"))
        recharge(kestrel, 50, now=at("2026-03-05 08:01"))
        expect(kestrel, balance=2, available=2)
        assert lots_of(kestrel)[-1] == (Grant.Source.PURCHASE, *amounts(50, 2))

        # 31 March. 20 more of work: 2 credits, and 18 of debt over the end of the month.
        spend(kestrel, 20, now=at("2026-03-31 18:00"))

        # 1 April. A new month, a new limit: 150 are bought; 18 pay what March left.
        recharge(kestrel, 150, now=at("2026-04-01 09:00"))
        expect(kestrel, balance=132, available=132)

        # 2 April. Support finds that 8 of the late 40 were charged in error, and gives them back;
        # and takes 40 that were bought by mistake, but not the 100 that a hold needs.
        adjust(kestrel, 8, now=at("2026-04-02 10:00"))
        reserve(kestrel, 100, now=at("2026-04-02 10:05"))
        adjust(kestrel, -40, now=at("2026-04-02 10:06"))
        expect(kestrel, balance=100, reserved=100, available=0)

        assert ledger_of(kestrel) == ledger(
            ("recharge", 100, 100, "2026-03-03"),
            ("settle", -108, -8, "2026-03-04"),
            ("settle", -40, -48, "2026-03-04"),
            ("recharge", 50, 2, "2026-03-05"),
            ("settle", -20, -18, "2026-03-31"),
            ("recharge", 150, 132, "2026-04-01"),
            ("adjust", 8, 140, "2026-04-02"),
            ("adjust", -40, 100, "2026-04-02"),
        )
        assert lots_of(kestrel) == [
            (Grant.Source.PURCHASE, *amounts(100, 0)),
            (Grant.Source.PURCHASE, *amounts(50, 0)),
            (Grant.Source.PURCHASE, *amounts(150, 92)),
            (Grant.Source.ADJUSTMENT, *amounts(8, 8)),
        ]
        assert statements_of(kestrel) == [
            ("2026-03-01", *amounts(0, -18, 168)),
            ("2026-04-01", *amounts(-18, 100, 0)),
        ]
