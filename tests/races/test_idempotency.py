"""A storm of retries with one key: one effect, and everybody hears of it."""

from collections import Counter
from collections.abc import Callable

import pytest
from django.db import transaction

from credits.models import Reservation
from credits.services.locking import lock_terms
from organizations import idempotency
from organizations.idempotency import Answer, IdempotencyConflict, Key, Stored
from organizations.models import Organization
from tests.callers import clock as clock
from tests.factories import (
    NOW,
    allocate,
    entries_of,
    make_family,
    make_organization,
    reserve,
    settle,
    wallet_of,
)
from tests.races import wsgi
from tests.races.threads import of, together

pytestmark = [
    pytest.mark.race,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("clock"),
]

CALLERS = 32


def storm(owner: Organization, act: Callable[[], str], value: str = "k-1") -> list[Stored]:
    """Let 32 callers ask for one thing with one key, and return what they heard."""
    key = Key.of(owner, value, "POST", "/a/path")

    def ask() -> Stored:
        return idempotency.run(lambda: Answer(200, {"id": act()}), key=key, now=NOW)

    return of(Stored, together(*[ask] * CALLERS))


class TestRun:
    def test_reserves_once(self) -> None:
        organization = make_organization(funded=100)

        heard = storm(organization, lambda: reserve(organization, 8).public_id)

        assert len({stored.body for stored in heard}) == 1
        assert Counter(stored.replayed for stored in heard) == {True: CALLERS - 1, False: 1}
        assert wallet_of(organization).reserved == 8

    def test_answers_everybody_although_the_first_took_the_last_credits(self) -> None:
        organization = make_organization(funded=8)

        heard = storm(organization, lambda: reserve(organization, 8).public_id)

        assert len(heard) == CALLERS
        assert wallet_of(organization).available == 0

    def test_settles_once(self) -> None:
        organization = make_organization(funded=8)
        hold = reserve(organization, 8)

        heard = storm(organization, lambda: settle(hold, 8).public_id)

        assert len({stored.body for stored in heard}) == 1
        assert wallet_of(organization).balance == 0

    def test_allocates_once_for_each_of_several_keys(self) -> None:
        parent, child = make_family(funded=100)

        for value in ("k-1", "k-2", "k-3"):
            heard = storm(parent, lambda: allocate(child, 20)[0].public_id, value)
            assert len(heard) == CALLERS

        assert [entry.amount for entry in entries_of(child)] == [20, 20, 20]
        assert wallet_of(parent).balance == 40

    def test_refuses_all_but_one_of_many_bodies(self) -> None:
        organization = make_organization(funded=1_000)

        def ask(credits: int) -> Stored:
            key = Key.of(organization, "k-1", "POST", {"credits": credits})
            return idempotency.run(
                lambda: Answer(200, {"id": reserve(organization, credits).public_id}),
                key=key,
                now=NOW,
            )

        outcomes = together(*[lambda n=n: ask(n) for n in range(1, CALLERS + 1)])

        assert len(of(Stored, outcomes)) == 1
        assert len(of(IdempotencyConflict, outcomes)) == CALLERS - 1
        assert Reservation.objects.count() == 1


class TestOverHttp:
    """The same through the whole application, on 32 connections."""

    def test_reserves_once(self) -> None:
        organization = make_organization(funded=100)
        client = wsgi.Client.of(organization)

        answers = of(wsgi.Answer, together(*[lambda: client.reserve(8, key="k-1")] * CALLERS))

        assert {answer.status for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert wallet_of(organization).reserved == 8

    def test_answers_a_repetition_although_somebody_has_the_wallet(self) -> None:
        organization = make_organization(funded=100)
        client = wsgi.Client.of(organization)
        held = client.reserve(8, key="k-1")
        settled = client.settle(held.json["id"], 5, key="k-2")

        with transaction.atomic():
            lock_terms(organization.id)
            answers = together(
                lambda: client.reserve(8, key="k-1"),
                lambda: client.settle(held.json["id"], 5, key="k-2"),
            )

        again = [answer.content for answer in of(wsgi.Answer, answers)]
        assert again == [held.content, settled.content]

    def test_settles_once(self) -> None:
        organization = make_organization(funded=100)
        client = wsgi.Client.of(organization)
        hold = client.reserve(8).json["id"]

        answers = of(wsgi.Answer, together(*[lambda: client.settle(hold, 5, key="k")] * CALLERS))

        assert {answer.status for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert wallet_of(organization).balance == 95

    def test_allocates_once_and_tells_the_others_that_it_did(self) -> None:
        parent, child = make_family(funded=100)
        client = wsgi.Client.of(parent)
        path = f"/organizations/{child.public_id}/credits/allocate"

        answers = together(*[lambda: client.post(path, {"credits": 60}, key="k-1")] * CALLERS)

        heard = of(wsgi.Answer, answers)
        assert {answer.status for answer in heard} == {200}
        assert Counter(answer.json["replayed"] for answer in heard) == {True: 31, False: 1}
        assert len({answer.json["id"] for answer in heard}) == 1
        assert wallet_of(child).balance == 60

    def test_creates_one_organization(self) -> None:
        parent = make_organization()
        client = wsgi.Client.of(parent)

        answers = together(
            *[lambda: client.post("/organizations", {"name": "Nordwind"}, key="k")] * CALLERS
        )

        heard = of(wsgi.Answer, answers)
        assert {answer.status for answer in heard} == {201}
        assert len({answer.content for answer in heard}) == 1
        assert parent.children.count() == 1

    def test_reserves_once_for_each_without_a_key(self) -> None:
        organization = make_organization(funded=100)
        client = wsgi.Client.of(organization)

        answers = of(wsgi.Answer, together(*[lambda: client.reserve(8)] * CALLERS))

        assert Counter(answer.status for answer in answers) == {201: 12, 402: CALLERS - 12}
        assert {a.json["error"]["code"] for a in answers if a.status == 402} == {
            "BILLING_EXHAUSTED"
        }
        assert wallet_of(organization).reserved == 96
