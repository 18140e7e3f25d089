"""Renewing many wallets at once: what each of them would have got alone, in as many statements as one takes."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from credits import ledger, services
from credits.models import AllowanceShare, CreditConfig, LedgerEntry
from organizations.models import Organization
from tests.factories import (
    adjust,
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
from tests.races.threads import of, together
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
    make_actor(organization, "gone", active=False)
    return organization


def for_users_only() -> Organization:
    organization = make_organization(allowance_per_user=3)
    make_actor(organization, "ana")
    return organization


def ending() -> Organization:
    organization = make_organization(allowance=100, allowance_per_user=7, rollover_limit=50)
    make_actor(organization, "ana")
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
    for_each_user,
    for_users_only,
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
        "shares": sorted(
            AllowanceShare.objects.filter(wallet=wallet).values_list(
                "term_starts_at", "actor__name"
            )
        ),
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
        for child in (child for _, child in families):
            grant(child, 10)

        outcomes = together(
            *[lambda: renew_together(everybody)] * 6,
            *[lambda: renew_together(everybody[::-1])] * 6,
            *[lambda one=one: renew(one, now=JUNE) for one in everybody],
            *[lambda one=one: spend(one, 1, now=JUNE) for one in everybody],
            *[lambda child=child: archive(child, now=JUNE) for _, child in families[:2]],
        )

        assert not of(Exception, [o for o in outcomes if "archived" not in str(o)])
        renew_together(everybody)
        for organization in everybody:
            kinds = [kind for kind, _, _ in lines_of(organization)]
            assert len(periods_of(organization)) <= 2
            assert kinds.count(Kind.RENEW) <= 2
        for organization in everybody[4:]:
            assert len(periods_of(organization)) == 2
