"""What a request asks of its connection to the database: little, and what becomes of it when the connection is gone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches, close_caches
from django.core.cache.backends.base import BaseCache
from django.core.handlers.base import reset_urlconf
from django.core.signals import request_finished
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory

from config import throttling
from config.wsgi import application
from credits.models import Reservation
from organizations import statements
from organizations.models import ApiKey, IdempotencyKey, RateCount
from tests.admin.conftest import plain_static_files as plain_static_files
from tests.callers import Caller, caller_of, error, ok
from tests.factories import NOW, make_family, make_key, make_organization, sandbox_of
from tests.organizations.test_statements import end_session
from tests.trips import round_trips
from tests.usage.people import make_actor

pytestmark = pytest.mark.django_db(transaction=True)
LOOK_UP = ["Bind", "Describe", "Execute"]


@pytest.fixture
def caller() -> Caller:
    """A key that was used a moment ago."""
    caller = caller_of(make_organization(funded=10))
    ok(caller.get("/whoami"))
    return caller


class TestLookUp:
    def test_of_a_key_is_one_round_trip(self, caller: Caller) -> None:
        with round_trips() as trips:
            assert error(caller.get("/usage/reservations/rsv_x")) == (422, "VALIDATION")

        assert trips.sent == [LOOK_UP], trips

    def test_counts_the_request_in_the_same(self) -> None:
        organization = make_organization(funded=10)
        _, secret = make_key(organization, scopes=["*"], tier=ApiKey.Tier.STANDARD)
        caller = Caller(secret)
        path = "/organizations/nobody/api-keys"
        for _ in range(
            2
        ):  # the session prepares what asks for a key that is known when it first sees it
            caller.post(path)

        with round_trips() as trips:
            answer = caller.post(path)

        assert answer["X-RateLimit-Remaining"] == "57"
        assert (
            RateCount.objects.count() == 4
        )  # its own and its organization's, of the minute and of the day
        assert trips.sent == [LOOK_UP], trips

    def test_of_a_childs_personal_test_key_is_one_round_trip_too(self) -> None:
        _, child = make_family(funded=10)
        sandbox = sandbox_of(child, now=NOW)
        actor = make_actor(sandbox)
        _, secret = make_key(sandbox, scopes=["*"], actor=actor)
        caller = Caller(secret)
        caller.get("/models")

        with round_trips() as trips:
            assert error(caller.get("/usage/reservations/rsv_x")) == (422, "VALIDATION")

        assert trips.sent == [LOOK_UP], trips

    def test_of_a_wrong_secret_counts_nothing(self) -> None:
        organization = make_organization()
        key, _ = make_key(organization, scopes=["*"])
        _, other = make_key(organization, scopes=["*"])
        ApiKey.objects.filter(id=key.id).update(secret_hash=b"x" * 32)
        forged = Caller(other)
        RateCount.objects.all().delete()
        ApiKey.objects.exclude(id=key.id).update(secret_hash=b"y" * 32)

        assert error(forged.get("/organizations")) == (401, "UNAUTHENTICATED")

        assert not RateCount.objects.exists()

    @pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
    def test_of_a_key_that_ended_counts_nothing(self, end: str) -> None:
        """Who has an old key must not use up what the organization may do."""
        key, secret = make_key(make_organization(), scopes=["*"])
        ApiKey.objects.filter(id=key.id).update(**{end: NOW})

        assert error(Caller(secret).get("/organizations")) == (401, "UNAUTHENTICATED")

        assert not RateCount.objects.exists()

    def test_brings_the_time_along(self, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settings, "CLOCK", "database")
        ok(caller.get("/whoami"))
        monkeypatch.setattr("organizations.clock.clock.asked_at", -1e9)

        with round_trips() as trips:
            caller.get("/usage/reservations/rsv_x")

        assert trips.sent == [LOOK_UP], trips


class TestBrokenConnection:
    """Ended by a restart of the server, between two requests."""

    def test_is_not_noticed_by_who_reads(self, caller: Caller) -> None:
        end_session()

        assert ok(caller.get("/credits"))

    def test_is_not_noticed_by_who_holds(self, caller: Caller) -> None:
        end_session()

        ok(caller.reserve(3, key="once"), 201)

        assert Reservation.objects.count() == 1

    def test_is_not_noticed_by_staff(self) -> None:
        end_session()

        assert Client().get("/admin/login/").status_code == 200

    def test_within_a_request_is_503_and_told_by_the_same_key(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commit = connection._commit  # type: ignore[attr-defined]

        def unheard() -> None:
            commit()
            end_session()
            raise OperationalError("the connection is lost")

        with monkeypatch.context() as patched:
            patched.setattr(connection, "_commit", unheard)
            assert error(caller.reserve(3, key="once")) == (503, "UNAVAILABLE")

        answer = caller.reserve(3, key="once")

        assert answer["Idempotency-Replayed"] == "true"
        assert Reservation.objects.count() == 1

    def test_is_asked_for_by_nothing_else(self, caller: Caller) -> None:
        with round_trips() as trips:
            ok(caller.get("/whoami"))

        assert ["SELECT 1"] not in trips.sent, trips


class TestEndsOfARequest:
    def test_begin_without_a_connection_that_is_too_old(self, caller: Caller) -> None:
        before = connection.connection
        connection.close_at = 0.0

        application(RequestFactory().get("/api/v1/nothing").environ, lambda *_: None)

        assert connection.connection is not before

    def test_leave_nothing_undone_that_a_cache_needs(self) -> None:
        assert all(type(cache).close is BaseCache.close for cache in caches.all())

    @pytest.mark.parametrize("receiver", [close_caches, reset_urlconf])
    def test_are_told_to_nobody_for_whom_they_change_nothing(
        self, receiver: Callable[..., None]
    ) -> None:
        assert not request_finished.disconnect(receiver)


class TestInDoubt:
    """The server gave up waiting for its standby: it committed, and says so in a warning."""

    WARNING = "canceling wait for synchronous replication due to user request"

    @pytest.fixture(autouse=True)
    def _warns_at_commit(self) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE WARNING '{self.WARNING}'; RETURN NULL; END$$"
            )
            for table, when in (
                ("credits_reservation", "true"),
                ("organizations_ratecount", "NEW.name = 'k'"),
            ):
                cursor.execute(
                    f"CREATE CONSTRAINT TRIGGER zz_warn AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
                    f" FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION warn()"
                )
        yield
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION warn CASCADE")

    def test_is_503_and_the_same_key_tells(self, caller: Caller) -> None:
        answer = caller.reserve(3, key="once")

        assert error(answer) == (503, "UNAVAILABLE")
        assert answer["Retry-After"] == "1"
        assert caller.reserve(3, key="once")["Idempotency-Replayed"] == "true"
        assert IdempotencyKey.objects.count() == 1

    @pytest.mark.parametrize("how", ["by hand", "by Django"])
    def test_is_told_of_what_is_committed_at_once(self, how: str) -> None:
        insert = "INSERT INTO organizations_ratecount VALUES ('k', 1, now()) RETURNING name"

        send = statements.fetch_one if how == "by hand" else connection.cursor().execute

        with pytest.raises(OperationalError):
            send(insert)

        assert RateCount.objects.count() == 1

    def test_is_told_once(self) -> None:
        with pytest.raises(OperationalError), transaction.atomic():
            RateCount.objects.create(name="k", count=1, ends_at=NOW)

        with transaction.atomic():
            assert RateCount.objects.count() == 1


class TestPatience:
    def test_of_pages_is_a_jobs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[Any] = []

        def look(*_: object, **__: object) -> None:
            seen.append(statements.fetch_one("SHOW lock_timeout"))
            raise OperationalError

        options = settings.DATABASES["default"]["OPTIONS"]
        hurried = f"{options['options']} -c lock_timeout=300ms"
        monkeypatch.setitem(options, "options", hurried)
        connection.close()
        monkeypatch.setattr(throttling, "_stand", look)

        with pytest.raises(OperationalError):
            Client().get("/admin/login/")

        assert seen == [("5s",)]
        assert statements.fetch_one("SHOW lock_timeout") == ("300ms",)
        connection.close()


def test_compiles_no_query() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW jit")

        assert cursor.fetchone() == ("off",)
