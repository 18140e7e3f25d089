"""One effect per key, whatever happens to whom."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, connection, transaction

from organizations import idempotency
from organizations.idempotency import Answer, Denied, IdempotencyConflict, Key
from organizations.models import IdempotencyKey, Organization
from tests.organizations.people import organization
from tests.parallel import at_once

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
DAY = timedelta(hours=24)

Command = Callable[[], Answer | Denied]


class Refused(Exception):
    pass


@pytest.fixture
def acme() -> Organization:
    return organization()


def make(name: str = "made", replay: Mapping[str, object] | None = None) -> Command:
    def command() -> Answer:
        made = organization(name)
        return Answer(201, {"id": made.id, "credits": Decimal("1.50")}, replay=replay)

    return command


def made() -> int:
    return Organization.objects.filter(name="made").count()


def key(acme: Organization, value: str = "k", *inputs: object) -> Key:
    return Key.of(acme, value, *inputs)


class TestRun:
    def test_answers_a_repetition_with_the_same_bytes(self, acme: Organization) -> None:
        first = idempotency.run(make(), key=key(acme), now=NOW)
        second = idempotency.run(make(), key=key(acme), now=NOW + DAY - timedelta(microseconds=1))

        assert (second.status, second.body) == (first.status, first.body)
        assert first.status == 201
        assert b'"credits":1.5' in first.body
        assert (first.replayed, second.replayed) == (False, True)
        assert made() == 1

    def test_runs_every_time_without_a_key(self) -> None:
        idempotency.run(make(), key=None, now=NOW)
        idempotency.run(make(), key=None, now=NOW)

        assert made() == 2

    def test_refuses_the_key_for_anything_else(self, acme: Organization) -> None:
        idempotency.run(make(), key=key(acme, "k", {"credits": 5}), now=NOW)

        with pytest.raises(IdempotencyConflict):
            idempotency.run(make(), key=key(acme, "k", {"credits": 6}), now=NOW)

        assert made() == 1

    def test_does_not_mind_the_spelling_of_the_inputs(self, acme: Organization) -> None:
        one = key(acme, "k", {"a": 5, "b": Decimal("1.50")})
        other = key(acme, "k", {"b": Decimal("1.5"), "a": Decimal("5.0")})

        assert one == other

    def test_keeps_the_keys_of_organizations_apart(self, acme: Organization) -> None:
        idempotency.run(make(), key=key(acme), now=NOW)
        idempotency.run(make(), key=key(organization("Other")), now=NOW)

        assert made() == 2

    def test_keeps_the_names_of_owners_apart(self, acme: Organization) -> None:
        owners = [IdempotencyKey.ORGANIZATION, IdempotencyKey.STAFF, "key_1", "key_2"]
        for owner in owners:
            idempotency.run(make(), key=Key.of(acme, "k", owner, owner=owner), now=NOW)

        assert made() == 4
        assert set(IdempotencyKey.objects.values_list("owner", flat=True)) == set(owners)

    def test_forgets_a_key_after_a_day(self, acme: Organization) -> None:
        idempotency.run(make(), key=key(acme, "k", 1), now=NOW)
        later = idempotency.run(make(), key=key(acme, "k", 2), now=NOW + DAY)

        again = idempotency.run(make(), key=key(acme, "k", 2), now=NOW + DAY + DAY / 2)

        assert again.body == later.body
        assert made() == 2

    def test_says_another_thing_to_a_repetition_where_the_command_asks_for_it(
        self, acme: Organization
    ) -> None:
        replay = {"credits": None}
        first = idempotency.run(make(replay=replay), key=key(acme), now=NOW)
        second = idempotency.run(make(replay=replay), key=key(acme), now=NOW)

        assert b'"credits":1.5' in first.body
        assert second.body == first.body.replace(b"1.5", b"null")

    def test_frees_the_key_when_the_command_fails(self, acme: Organization) -> None:
        def fail() -> Answer:
            organization("made")
            raise Refused

        with pytest.raises(Refused):
            idempotency.run(fail, key=key(acme), now=NOW)

        assert made() == 0
        assert not IdempotencyKey.objects.exists()

    @pytest.mark.parametrize("with_key", [True, False])
    def test_keeps_the_work_of_a_denial_and_frees_the_key(
        self, acme: Organization, with_key: bool
    ) -> None:
        def deny() -> Denied:
            organization("made")
            return Denied(Refused())

        for _ in range(2):
            with pytest.raises(Refused):
                idempotency.run(deny, key=key(acme) if with_key else None, now=NOW)

        assert made() == 2
        assert not IdempotencyKey.objects.exists()
        assert not idempotency.run(make(), key=key(acme), now=NOW).replayed

    def test_owns_its_transaction(self, acme: Organization) -> None:
        with pytest.raises(RuntimeError), transaction.atomic():
            idempotency.run(make(), key=key(acme), now=NOW)

    def test_leaves_no_stuck_key_when_its_connection_is_killed(self, acme: Organization) -> None:
        def die() -> Answer:
            organization("made")
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            raise AssertionError("unreachable")

        with pytest.raises(OperationalError):
            idempotency.run(die, key=key(acme), now=NOW)

        assert made() == 0
        assert not idempotency.run(make(), key=key(acme), now=NOW).replayed
        assert made() == 1

    @pytest.mark.parametrize("state", ["40001", "40P01"])
    def test_tries_again_when_the_database_asks_for_it(
        self, acme: Organization, state: str
    ) -> None:
        attempts = []

        def flaky() -> Answer | Denied:
            attempts.append(1)
            if len(attempts) < 3:
                raise_in_database(state)
            return make()()

        idempotency.run(flaky, key=key(acme), now=NOW)

        assert len(attempts) == 3
        assert made() == 1

    def test_gives_up_after_three_attempts(self, acme: Organization) -> None:
        attempts = []

        def hopeless() -> Answer:
            attempts.append(1)
            raise_in_database("40P01")
            raise AssertionError("unreachable")

        with pytest.raises(OperationalError):
            idempotency.run(hopeless, key=key(acme), now=NOW)

        assert len(attempts) == 3


def raise_in_database(state: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")


@pytest.mark.race
class TestRunAtOnce:
    def test_has_one_effect_for_32_callers(self, acme: Organization) -> None:
        def slow() -> Answer:
            answer = make()()
            time.sleep(0.05)
            assert isinstance(answer, Answer)
            return answer

        answers = at_once(32, lambda _: idempotency.run(slow, key=key(acme), now=NOW))

        assert made() == 1
        assert sum(answer.replayed for answer in answers) == 31
        assert len({answer.body for answer in answers}) == 1

    def test_lets_one_of_32_callers_take_over_an_expired_key(self, acme: Organization) -> None:
        idempotency.run(make("old"), key=key(acme), now=NOW)

        answers = at_once(32, lambda _: idempotency.run(make(), key=key(acme), now=NOW + DAY))

        assert made() == 1
        assert sum(answer.replayed for answer in answers) == 31

    def test_lets_the_next_caller_work_when_the_holder_dies(self, acme: Organization) -> None:
        def once(number: int) -> str:
            def command() -> Answer:
                time.sleep(0.1)
                if number < 4:
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
                answer = make()()
                assert isinstance(answer, Answer)
                return answer

            try:
                return str(idempotency.run(command, key=key(acme), now=NOW).replayed)
            except OperationalError:
                return "died"

        outcomes = at_once(8, once)

        assert made() == 1
        assert outcomes.count("False") == 1
        assert set(outcomes[4:]) <= {"False", "True"}


class TestKey:
    @pytest.mark.parametrize("value", ["", " ", "a b", "é", "\x00", "a\n", "k" * 256])
    def test_refuses_what_is_not_visible_ascii(self, acme: Organization, value: str) -> None:
        with pytest.raises(idempotency.MalformedKey):
            key(acme, value)

    @pytest.mark.parametrize("value", ["k", "k" * 255, "!~"])
    def test_takes_up_to_255_visible_characters(self, acme: Organization, value: str) -> None:
        assert key(acme, value).value == value
