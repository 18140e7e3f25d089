"""Renewing many wallets at once: what each of them would have got alone, in as many statements as one takes."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, cast

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from credits import ledger, services
from credits.models import CreditConfig, LedgerEntry
from organizations.models import Organization
from tests.factories import (
    adjust,
    allocate,
    archive,
    at,
    entries_of,
    grant,
    grants_of,
    lines_of,
    make_family,
    make_organization,
    periods_of,
    renew,
    reserve,
    settle,
    spend,
    suspend,
    wallet_of,
)
from tests.races.threads import in_rounds, of, together
from tests.usage.people import make_actor

pytestmark = pytest.mark.django_db(transaction=True)

Kind = LedgerEntry.Kind
JUNE = at("2026-06-01")
MIDDLE_OF_JULY = at("2026-07-15")
AFTER_14_MONTHS = at("2027-07-15")


def renew_together(organizations: Sequence[Organization], *, now: Any = JUNE) -> set[Any]:
    return services.renew_together(organizations=organizations, now=now)


def plain() -> Organization:
    return make_organization(allowance=100)


def without_terms() -> Organization:
    return make_organization(funded=20)


def rolling_over() -> Organization:
    organization = make_organization(allowance=100, rollover_limit=30)
    spend(organization, 15)
    return organization


def in_debt() -> Organization:
    organization = make_organization(allowance=100)
    settle(reserve(organization, 90), 130)
    return organization


def with_open_holds() -> Organization:
    organization = make_organization(funded=50, allowance=100)
    reserve(organization, 70, now=at("2026-05-31 23:55"))
    return organization


def by_the_year() -> Organization:
    return make_organization(allowance=1_000, term="year", anchored_on=date(2026, 3, 31))


def anchored_late() -> Organization:
    return make_organization(allowance=10, anchored_on=date(2026, 5, 15))


def for_each_user() -> Organization:
    organization = make_organization(allowance=5, allowance_per_user=7)
    for name in ("ana", "ben"):
        make_actor(organization, name)
    return organization


def ending() -> Organization:
    organization = make_organization(allowance=100, rollover_limit=50)
    CreditConfig.objects.filter(wallet__organization=organization).update(cancel_at_period_end=True)
    return organization


def with_grants_that_end() -> Organization:
    organization = make_organization(funded=10, allowance=100)
    grant(organization, 40, expires_at=at("2026-05-20"))
    grant(organization, 30, expires_at=at("2026-06-10"), priority=10)
    grant(organization, 20, expires_at=at("2030-01-01"))
    adjust(organization, -5)
    return organization


def suspended() -> Organization:
    return suspend(make_organization(allowance=100))


def archived() -> Organization:
    _, child = make_family()
    grant(child, 10, expires_at=at("2026-05-20"))
    reserve(child, 10)
    archive(child)
    return child


SHAPES: list[Callable[[], Organization]] = [
    plain,
    without_terms,
    rolling_over,
    in_debt,
    with_open_holds,
    by_the_year,
    anchored_late,
    ending,
    with_grants_that_end,
    suspended,
    archived,
]


def told(organization: Organization) -> dict[str, object]:
    """Return all that renewing may have changed, without ids and hashes."""
    wallet = wallet_of(organization)
    return {
        "ledger": [
            (e.number, e.kind, e.amount, e.balance_after, e.allowance_after, e.period.index)
            for e in entries_of(organization)
        ],
        "grants": [
            (g.source, g.amount, g.remaining, g.priority, g.expires_at, g.term_starts_at)
            for g in grants_of(organization)
        ],
        "draws": [
            sorted(entry.draws.values_list("grant__source", "grant__expires_at", "amount"))
            for entry in entries_of(organization)
        ],
        "periods": [
            (
                *(p.index, p.starts_at, p.ends_at, p.term_starts_at, p.term_ends_at),
                *(p.used, p.reserved, p.opening_balance, p.closing_balance, p.closed_at),
            )
            for p in periods_of(organization)
        ],
        "wallet": (
            *(wallet.balance, wallet.reserved, wallet.allowance_remaining),
            *(wallet.lapse_at, wallet.head_number, wallet.period and wallet.period.index),
        ),
    }


class TestRenewTogether:
    @pytest.mark.parametrize("now", [at("2026-05-25"), JUNE, MIDDLE_OF_JULY, AFTER_14_MONTHS])
    def test_brings_each_what_it_would_have_got_alone(self, now: Any) -> None:
        alone = [make() for make in SHAPES]
        at_once = [make() for make in SHAPES]
        for organization in alone:
            renew(organization, now=now)

        renewed = renew_together(at_once, now=now)

        assert renewed == {organization.id for organization in at_once}
        for make, one, other in zip(SHAPES, alone, at_once, strict=True):
            assert told(other) == told(one), make.__name__

    def test_takes_no_more_statements_for_many_than_for_few(self) -> None:
        few = [make() for make in SHAPES]
        many = [make() for make in SHAPES * 4]

        with CaptureQueriesContext(connection) as for_few:
            renew_together(few)
        with CaptureQueriesContext(connection) as for_many:
            renew_together(many)

        assert len(for_many) == len(for_few)

    def test_happens_once(self) -> None:
        organizations = [plain() for _ in range(3)]
        renew_together(organizations)

        renew_together(organizations)

        assert [len(periods_of(one)) for one in organizations] == [2] * 3

    def test_leaves_out_whom_somebody_is_at_work_on_and_does_not_wait(self) -> None:
        organizations = [plain() for _ in range(3)]

        with transaction.atomic():
            ledger.lock(organizations[1].id)
            (renewed,) = together(lambda: renew_together(organizations))

        assert renewed == {organizations[0].id, organizations[2].id}
        assert [len(periods_of(one)) for one in organizations] == [2, 1, 2]

    def test_leaves_out_whose_users_each_bring_a_share(self) -> None:
        few, many = plain(), for_each_user()

        renewed = renew_together([few, many])

        assert renewed == {few.id}
        assert len(periods_of(many)) == 1

    def test_commits_after_each_boundary(self) -> None:
        organizations = [plain() for _ in range(2)]
        seen: list[int] = []

        def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if "FOR NO KEY UPDATE" in sql:
                (periods,) = together(lambda: len(periods_of(organizations[0])))
                seen.append(cast(int, periods))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(look):
            renew_together(organizations, now=at("2026-08-15"))

        assert seen == [1, 2, 3]
        assert len(periods_of(organizations[0])) == 4

    def test_reads_what_was_committed_until_it_had_the_lock(self) -> None:
        organizations = [plain() for _ in range(2)]
        spent: list[object] = []

        def spend_first(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if "FOR NO KEY UPDATE" in sql and not spent:
                spent.extend(together(lambda: spend(organizations[0], 5)))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(spend_first):
            renew_together(organizations)

        assert not of(Exception, spent)
        assert lines_of(organizations[0]) == [
            (Kind.RENEW, 100, 0),
            (Kind.SETTLE, -5, 0),
            (Kind.LAPSE, -95, 0),
            (Kind.RENEW, 100, 1),
        ]

    @pytest.mark.broken_books
    def test_changes_nobody_if_one_fails(self) -> None:
        organizations = [plain() for _ in range(3)]
        CreditConfig.objects.get(wallet__organization=organizations[1]).delete()

        with pytest.raises(CreditConfig.DoesNotExist):
            renew_together(organizations)

        assert [len(periods_of(one)) for one in organizations] == [1, 1, 1]
        assert [len(entries_of(one)) for one in organizations] == [1, 1, 1]

    @pytest.mark.race
    def test_happens_once_for_each_whoever_comes_first(self) -> None:
        families = [make_family(allowance=50) for _ in range(4)]
        everybody = [one for family in families for one in family]
        busy = everybody[::3]
        months = [at(f"2026-{month:02}-01") for month in range(6, 12)]

        outcomes = in_rounds(
            len(months),
            *[lambda n: renew_together(everybody, now=months[n])] * 4,
            *[lambda n, one=one: spend(one, 1, now=months[n]) for one in busy if one.parent_id],
            *[lambda n, one=one: renew(one, now=months[n]) for one in busy],
        )

        assert not [one for row in outcomes for one in of(Exception, row)]
        for organization in everybody:
            kinds = [kind for kind, _, _ in lines_of(organization)]
            assert len(periods_of(organization)) == len(months) + 1
            assert kinds.count(Kind.RENEW) == (len(months) + 1 if organization.parent_id else 0)

    @pytest.mark.race
    def test_keeps_nobody_from_archiving_or_allocating(self) -> None:
        families = [make_family(allowance=50) for _ in range(6)]
        everybody = [one for family in families for one in family]

        outcomes = together(
            *[lambda: renew_together(everybody)] * 6,
            *[lambda child=child: archive(child, now=JUNE) for _, child in families[:3]],
            *[lambda child=child: allocate(child, 10, now=JUNE) for _, child in families[3:]],
        )

        assert not of(Exception, outcomes)
        assert [len(periods_of(one)) for one in everybody] == [2] * 12
