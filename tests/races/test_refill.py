"""The refill rule under a burst: once per cooldown, whatever becomes of the requests that caused it."""

import logging
from collections.abc import Callable

import pytest

from credits.models import LedgerEntry, Reservation
from credits.services import BillingExhausted
from organizations import idempotency
from organizations.idempotency import Answer, Denied, Key
from organizations.models import IdempotencyKey, Organization
from tests.factories import (
    NOW,
    end_refill_cooldown,
    entries_of,
    grant,
    later,
    make_family,
    make_organization,
    try_to_reserve,
    wallet_of,
)
from tests.races.threads import of, together

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

REFILL = LedgerEntry.Kind.REFILL


def refills_of(organization: Organization) -> list[LedgerEntry]:
    return [entry for entry in entries_of(organization) if entry.kind == REFILL]


def in_a_row(times: int, call: Callable[[], object]) -> Callable[[], list[object]]:
    return lambda: [call() for _ in range(times)]


class TestRefill:
    def test_happens_once_for_200_requests_below_the_threshold(self) -> None:
        parent, child = make_family(funded=1_000, refill_threshold=300, refill_amount=250)
        burst = in_a_row(5, lambda: try_to_reserve(child, 1))

        outcomes = [one for row in of(list, together(*[burst] * 40)) for one in row]

        assert len(of(Reservation, outcomes)) == 200
        assert [entry.amount for entry in refills_of(child)] == [250]
        assert [entry.amount for entry in refills_of(parent)] == [-250]
        assert wallet_of(child).reserved == 200

    def test_happens_once_more_when_the_cooldown_is_over(self) -> None:
        _, child = make_family(funded=1_000, refill_threshold=300, refill_amount=250)
        burst = in_a_row(2, lambda: try_to_reserve(child, 1))
        next_burst = in_a_row(2, lambda: try_to_reserve(child, 1, now=later(minutes=5)))

        together(*[burst] * 20)
        together(*[next_burst] * 20)

        assert len(refills_of(child)) == 2

    def test_does_not_admit_more_than_it_brought(self) -> None:
        _, child = make_family(funded=1_000, refill_threshold=10, refill_amount=25)

        outcomes = together(*[lambda: try_to_reserve(child, 4)] * 32)

        assert len(of(Reservation, outcomes)) == 6
        assert {denial.reason for denial in of(BillingExhausted, outcomes)} == {"balance"}

    def test_is_refused_once_per_cooldown_when_the_parent_is_short(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        parent, child = make_family(funded=100, refill_threshold=300, refill_amount=250)

        with caplog.at_level(logging.WARNING, "credits.services.refills"):
            outcomes = together(*[lambda: try_to_reserve(child, 1)] * 32)

        assert len(of(BillingExhausted, outcomes)) == 32
        assert len([r for r in caplog.records if "refill refused" in r.message]) == 1
        assert wallet_of(child).refill_retry_at == later(minutes=5)
        assert wallet_of(parent).balance == 100

    def test_serves_as_many_siblings_as_the_parent_can_pay(self) -> None:
        parent, _ = make_family(funded=1_000)
        children = [
            make_organization(parent=parent, refill_threshold=10, refill_amount=150)
            for _ in range(16)
        ]

        outcomes = together(*[lambda one=one: try_to_reserve(one, 1) for one in children])

        assert len(of(Reservation, outcomes)) == 6
        assert wallet_of(parent).balance == 100

    def test_never_serves_a_child_beyond_its_cap(self) -> None:
        parent, child = make_family(
            funded=1_000, refill_threshold=300, refill_amount=250, monthly_cap=0
        )

        outcomes = together(*[lambda: try_to_reserve(child, 1)] * 16)

        assert {denial.reason for denial in of(BillingExhausted, outcomes)} == {"cap"}
        assert wallet_of(parent).balance == 1_000

    def test_is_tried_again_once_when_the_worker_and_requests_meet(self) -> None:
        parent, child = make_family(funded=0, refill_threshold=300, refill_amount=250)
        try_to_reserve(child, 1)
        grant(parent, 2_000)
        afterwards = later(minutes=5)

        together(
            *[lambda: end_refill_cooldown(child, now=afterwards)] * 8,
            *[lambda: try_to_reserve(child, 1, now=afterwards)] * 8,
        )

        assert len(refills_of(child)) == 1

    def test_serves_the_first_request_after_the_credits_it_watches_have_lapsed(self) -> None:
        _, child = make_family(funded=1_000, refill_threshold=100, refill_amount=250)
        grant(child, 500, expires_at=later(hours=1))

        outcome = try_to_reserve(child, 20, now=later(hours=2))

        assert isinstance(outcome, Reservation), outcome
        assert wallet_of(child).available == 230


class TestDeniedRefill:
    """A refill that fired for a request survives the denial of that request."""

    @pytest.fixture
    def child(self) -> Organization:
        return make_family(funded=1_000, refill_threshold=100, refill_amount=50)[1]

    def ask(self, child: Organization, key: Key | None) -> idempotency.Stored:
        def command() -> Answer | Denied:
            outcome = try_to_reserve(child, 80)
            if isinstance(outcome, BillingExhausted):
                return Denied(outcome)
            return Answer(201, {"id": outcome.public_id})

        return idempotency.run(command, key=key, now=NOW)

    def test_survives_without_a_key(self, child: Organization) -> None:
        with pytest.raises(BillingExhausted):
            self.ask(child, None)

        assert [entry.amount for entry in refills_of(child)] == [50]

    def test_survives_with_a_key_and_leaves_the_key_free(self, child: Organization) -> None:
        key = Key.of(child, "k-1", "POST", {"credits": 80})

        with pytest.raises(BillingExhausted):
            self.ask(child, key)

        assert [entry.amount for entry in refills_of(child)] == [50]
        assert not IdempotencyKey.objects.exists()
        grant(child, 30)
        answer = self.ask(child, key)
        assert (answer.status, answer.replayed) == (201, False)

    def test_survives_once_when_32_ask_with_one_key(self, child: Organization) -> None:
        key = Key.of(child, "k-1", "POST", {"credits": 80})

        outcomes = together(*[lambda: self.ask(child, key)] * 32)

        assert len(of(BillingExhausted, outcomes)) == 32
        assert [entry.amount for entry in refills_of(child)] == [50]
        assert not IdempotencyKey.objects.exists()
