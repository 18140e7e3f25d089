"""Sixty a minute means sixty, whoever counts and however many come at once."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any, Self
from uuid import uuid4

import pytest
from django.contrib.auth.backends import ModelBackend
from django.db import OperationalError
from django.test import Client
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from redis import Redis, RedisError

from config import throttling
from config.throttling import Counters, Hit, Standing, limit_of
from organizations import clock
from organizations.models import Organization
from tests.organizations.people import client, client_of, key_of, keys_path, organization
from tests.parallel import at_once

REDIS = "redis://127.0.0.1:6379/14"
NOBODY = "key_01980000-0000-7000-8000-000000000000"
SIXTY = RateLimitItemPerMinute(60)


def redis_answers() -> bool:
    try:
        return bool(Redis.from_url(REDIS, socket_connect_timeout=0.5).ping())
    except RedisError:
        return False


# Where a Redis answers, both counters are tried; the table alone is what a small copy uses.
URLS = ["", REDIS] if redis_answers() else [""]


@pytest.fixture(params=URLS, ids=lambda url: "redis" if url else "table")
def counters(request: pytest.FixtureRequest) -> Counters:
    return Counters(request.param)


@pytest.mark.django_db(transaction=True)
class TestHit:
    def test_lets_exactly_60_of_200_pass(self, counters: Counters) -> None:
        name = uuid4().hex

        passed = at_once(20, lambda _: [counters.hit(SIXTY, name)[0] for _ in range(10)])

        assert sum(sum(ten) for ten in passed) == 60

    def test_counts_names_apart(self, counters: Counters) -> None:
        one = RateLimitItemPerMinute(1)
        names = uuid4().hex, uuid4().hex

        assert [counters.hit(one, name)[0] for name in (*names, *names)] == [True] * 2 + [False] * 2

    def test_says_how_many_are_left(self, counters: Counters) -> None:
        name = uuid4().hex

        left = [counters.hit(RateLimitItemPerMinute(2), name)[1] for _ in range(3)]

        assert left == [1, 0, 0]

    def test_lets_one_pass_again_at_the_moment_it_named(self, counters: Counters) -> None:
        name = uuid4().hex
        item = RateLimitItemPerSecond(2)
        while counters.hit(item, name)[0]:
            pass
        _, _, resets_at = counters.hit(item, name)

        time.sleep(max(0.0, resets_at - time.time()))

        assert counters.hit(item, name)[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("off", [timedelta(hours=5), -timedelta(hours=5)], ids=str)
class TestOneClock:
    """A wait is told by the clock that says when it ends, whatever this machine's own says: a minute, less the half that a busy machine may take."""

    @pytest.fixture(autouse=True)
    def _machine_is_off(self, off: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
        now = datetime.now(UTC) + off
        for of_the_doors in ("now", "reckoned"):
            monkeypatch.setattr(clock, of_the_doors, lambda: now)
        self.now = now.timestamp()

    def standing(self, counted: Hit) -> Standing:
        passes, remaining, resets_at = counted
        return Standing("read-light", 60, remaining, resets_at, passes)

    def test_where_all_workers_count(self, counters: Counters) -> None:
        standing = self.standing(counters.hit(SIXTY, uuid4().hex))

        assert 30 <= standing.wait <= 62
        assert 30 <= int(standing.headers()["X-RateLimit-Reset"]) - self.now <= 63

    def test_where_each_worker_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throttling, "_hit_table", refuse)

        standing = self.standing(Counters("").hit(SIXTY, uuid4().hex))

        assert 30 <= standing.wait <= 62

    def test_at_the_doors(self, acme: Organization) -> None:
        caller = client_of(acme, tier="standard")
        use_up(caller, f"{keys_path(acme)}/{NOBODY}", 60)

        answer = caller.delete(f"{keys_path(acme)}/{NOBODY}")

        assert answer.status_code == 429
        # Redis tells what is left in whole seconds, so one is added: as of the counters above.
        assert 30 <= int(answer["Retry-After"]) <= 62


def refuse(*_: object) -> None:
    raise OperationalError("the connection is lost")


class TestBrokenDatabase:
    def test_counts_in_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throttling, "_hit_table", refuse)
        counters = Counters("")

        passed = at_once(20, lambda _: [counters.hit(SIXTY, "k")[0] for _ in range(10)])

        assert sum(sum(ten) for ten in passed) == 60


class Hung:
    """A server that lets everybody in and never says a word."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self.socket.getsockname()[1]}/0"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def asked(self) -> int:
        """Return how many have come since this was last asked."""
        count = 0
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self.socket.accept()[0].close()
                count += 1
        return count


class TestBrokenRedis:
    @pytest.fixture
    def hung(self) -> Iterator[Hung]:
        with Hung() as server:
            yield server

    def test_counts_in_memory_while_it_refuses(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        counters = Counters(f"redis://127.0.0.1:{port}/0")

        passed = [counters.hit(RateLimitItemPerMinute(2), "k")[0] for _ in range(3)]

        assert passed == [True, True, False]

    def test_is_asked_once_while_it_hangs(self, hung: Hung) -> None:
        counters = Counters(hung.url)

        passed = [counters.hit(SIXTY, "k")[0] for _ in range(21)]

        assert passed == [True] * 21
        assert hung.asked() == 1

    def test_is_waited_for_briefly(self) -> None:
        assert throttling.PATIENCE_SECONDS <= 0.25

    def test_is_tried_again_after_a_while(
        self, hung: Hung, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttling, "BREAK_SECONDS", 0.0)
        counters = Counters(hung.url)

        counters.hit(SIXTY, "k")
        counters.hit(SIXTY, "k")

        assert hung.asked() == 2

    def test_hangs_in_the_middle_of_an_answer(self) -> None:
        over = Event()
        with socket.create_server(("127.0.0.1", 0)) as server:
            Thread(target=self.say_half, args=(server, over), daemon=True).start()
            counters = Counters(f"redis://127.0.0.1:{server.getsockname()[1]}/0")

            passed, _, _ = counters.hit(SIXTY, "k")
            over.set()

        assert passed

    @staticmethod
    def say_half(server: socket.socket, over: Event) -> None:
        caller, _ = server.accept()
        with caller:
            caller.recv(1024)
            caller.sendall(b"$5\r\nhe")
            over.wait()


class TestLimitOf:
    def test_depends_on_tier_and_class(self) -> None:
        assert limit_of("standard", "read-light") == 120
        assert limit_of("standard", "write-light") == 60
        assert limit_of("pilot", "long-running") == 60
        assert limit_of("partner", "write-light") == 3_000

    def test_does_not_exist_for_the_request_path_unless_configured(self, settings: Any) -> None:
        assert limit_of("standard", "request-path") is None

        settings.RATE_LIMIT_REQUEST_PATH = 0

        assert limit_of("standard", "request-path") == 0

    def test_is_one_for_every_tier_of_the_omni_contract(self, settings: Any) -> None:
        tiers = ("standard", "pilot", "partner")
        assert {limit_of(tier, "omni") for tier in tiers} == {60}

        settings.RATE_LIMIT_OMNI = 500

        assert {limit_of(tier, "omni") for tier in tiers} == {500}

    def test_is_a_day_for_writes(self) -> None:
        """As the contract has it; the sandbox is as slow as the slowest."""
        tiers = ("standard", "pilot", "partner", "sandbox")
        daily = [limit_of(tier, "write-light-daily") for tier in tiers]

        assert daily == [10_000, 100_000, 500_000, 10_000]

    def test_of_test_keys_is_bounded_on_every_path(self, settings: Any) -> None:
        classes = ("read-light", "write-light", "long-running", "request-path", "omni")
        settings.RATE_LIMIT_OMNI = None

        assert [limit_of("sandbox", each) for each in classes] == [120, 60, 20, 600, 60]

        settings.RATE_LIMIT_REQUEST_PATH = 7
        settings.RATE_LIMIT_OMNI = 500

        assert limit_of("sandbox", "request-path") == 7
        assert limit_of("sandbox", "omni") == 60


@pytest.fixture
def acme() -> Organization:
    return organization()


@pytest.mark.django_db
class TestHeaders:
    def test_are_on_every_response(self, acme: Organization) -> None:
        before = time.time()
        response = client_of(acme, tier="standard").get(keys_path(acme))

        assert response["X-RateLimit-Endpoint-Class"] == "read-light"
        assert response["X-RateLimit-Limit"] == "120"
        assert response["X-RateLimit-Remaining"] == "119"
        assert before + 59 <= int(response["X-RateLimit-Reset"]) <= time.time() + 62

    def test_have_numbers_of_a_test_key_on_the_path_of_a_request(self, acme: Organization) -> None:
        answer = client_of(acme, env="test").post("/api/v1/usage/check", {"estimatedCredits": 1})

        assert answer["X-RateLimit-Endpoint-Class"] == "request-path"
        assert answer["X-RateLimit-Limit"] == "600"

    def test_have_no_numbers_without_a_limit(
        self, acme: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(throttling, "limit_of", lambda *_: None)

        response = client_of(acme).get(keys_path(acme))

        assert response["X-RateLimit-Endpoint-Class"] == "read-light"
        assert "X-RateLimit-Limit" not in response


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestAllowRequest:
    @pytest.mark.parametrize("url", URLS, ids=lambda url: "redis" if url else "table")
    def test_lets_60_of_200_parallel_requests_pass(
        self, acme: Organization, monkeypatch: pytest.MonkeyPatch, url: str
    ) -> None:
        monkeypatch.setattr(throttling, "counters", Counters(url))
        text = key_of(acme, tier="standard")[1]
        path = f"{keys_path(acme)}/{NOBODY}"

        def ten_requests(_: int) -> list[tuple[int, int, float]]:
            caller = client(text)
            answers = [(caller.delete(path), time.time()) for _ in range(10)]
            return [
                (each.status_code, int(each.get("Retry-After") or 0), at) for each, at in answers
            ]

        began = time.time()
        answers = [answer for ten in at_once(20, ten_requests) for answer in ten]

        assert sorted({status for status, _, _ in answers}) == [404, 429]
        assert sum(status == 404 for status, _, _ in answers) == 60
        refused = [(wait, at) for status, wait, at in answers if status == 429]
        assert all(wait <= 62 and at + wait >= began + 59 for wait, at in refused)

    def test_counts_classes_and_keys_apart(self, acme: Organization) -> None:
        used_up, fresh = (client_of(acme, tier="standard") for _ in range(2))
        path = f"{keys_path(acme)}/{NOBODY}"
        for _ in range(60):
            used_up.delete(path)

        assert used_up.delete(path).status_code == 429
        assert used_up.get(keys_path(acme)).status_code == 200
        assert fresh.delete(path).status_code == 404

    def test_answers_in_the_envelope(self, acme: Organization) -> None:
        caller = client_of(acme, tier="standard")
        for _ in range(60):
            caller.delete(f"{keys_path(acme)}/{NOBODY}")

        response = caller.delete(f"{keys_path(acme)}/{NOBODY}")

        assert response.json()["error"]["code"] == "RATE_LIMITED"
        assert response["X-RateLimit-Remaining"] == "0"
        assert int(response["Retry-After"]) > 0

    @pytest.fixture
    def six_a_minute(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that those of a test are of one minute on a machine that is busy, too."""
        monkeypatch.setitem(throttling.PER_MINUTE, "standard", {"read-light": 12, "write-light": 6})

    @pytest.mark.usefixtures("six_a_minute")
    def test_of_an_organization_is_that_of_three_keys(self, acme: Organization) -> None:
        """Keys are free: who mints a hundred may not ask a hundred times as often."""
        path = f"{keys_path(acme)}/{NOBODY}"
        statuses = []
        for _ in range(4):
            caller = client_of(acme, tier="standard")
            statuses += [caller.delete(path).status_code for _ in range(6)]

        assert statuses == [404] * 18 + [429] * 6

    @pytest.mark.usefixtures("six_a_minute")
    def test_of_one_organization_is_not_anothers(self, acme: Organization) -> None:
        for _ in range(4):
            use_up(client_of(acme, tier="standard"), f"{keys_path(acme)}/{NOBODY}", 6)
        other = organization("Other")

        assert client_of(other, tier="standard").get(keys_path(other)).status_code == 200
        assert client_of(other, tier="standard").delete(keys_path(other)).status_code == 405

    @pytest.mark.usefixtures("six_a_minute")
    def test_refusals_of_a_key_take_nothing_from_its_organization(self, acme: Organization) -> None:
        path = f"{keys_path(acme)}/{NOBODY}"
        use_up(client_of(acme, tier="standard"), path, 30)

        assert use_up(client_of(acme, tier="standard"), path, 6) == 6


@pytest.mark.django_db(transaction=True)
class TestDailyWrites:
    @pytest.fixture(autouse=True)
    def three_a_day(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(throttling.PER_DAY, "standard", 3)

    def test_end_with_the_day(self, acme: Organization) -> None:
        caller = client_of(acme, tier="standard")
        path = f"{keys_path(acme)}/{NOBODY}"

        assert use_up(caller, path, 3) == 3
        refused = caller.delete(path)

        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "RATE_LIMITED"
        assert refused["X-RateLimit-Endpoint-Class"] == "write-light"
        assert (refused["X-RateLimit-Limit"], refused["X-RateLimit-Remaining"]) == ("3", "0")
        assert 86_000 < int(refused["Retry-After"]) <= 86_402
        assert int(refused["X-RateLimit-Reset"]) - time.time() > 86_000

    def test_leave_reads_alone(self, acme: Organization) -> None:
        caller = client_of(acme, tier="standard")
        use_up(caller, f"{keys_path(acme)}/{NOBODY}", 4)

        assert caller.get(keys_path(acme)).status_code == 200

    def test_are_an_organizations_too(self, acme: Organization) -> None:
        path = f"{keys_path(acme)}/{NOBODY}"

        passed = [use_up(client_of(acme, tier="standard"), path, 4) for _ in range(4)]

        assert passed == [3, 3, 3, 0]

    def test_are_not_used_up_by_what_the_minute_refuses(
        self, acme: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(throttling.PER_MINUTE["standard"], "write-light", 2)
        caller, path = client_of(acme, tier="standard"), f"{keys_path(acme)}/{NOBODY}"

        assert use_up(caller, path, 10) == 2

        monkeypatch.setitem(throttling.PER_MINUTE["standard"], "write-light", 100)
        assert use_up(caller, path, 10) == 1


@pytest.mark.django_db(transaction=True)
class TestStrangers:
    """What nobody says who he is for is counted by address."""

    def test_see_the_document_so_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throttling, "PAGES_PER_MINUTE", 2)

        answers = [Client().get("/api/schema/") for _ in range(3)]
        elsewhere = Client(REMOTE_ADDR="192.0.2.7").get("/api/schema/")

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].json()["error"]["code"] == "RATE_LIMITED"
        assert 0 < int(answers[-1]["Retry-After"]) <= 62
        assert elsewhere.status_code == 200

    def test_try_a_login_so_often(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.STORAGES = settings.STORAGES | {
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        }
        looked_at = []
        monkeypatch.setattr(ModelBackend, "authenticate", lambda *_, **__: looked_at.append(1))

        answers = [
            Client().post("/admin/login/", {"username": f"u{number}", "password": "p"})
            for number in range(throttling.LOGINS_PER_MINUTE + 3)
        ]

        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) == 3
        assert 0 < int(refused[0]["Retry-After"]) <= 62
        assert len(looked_at) == throttling.LOGINS_PER_MINUTE


def use_up(caller: Any, path: str, times: int) -> int:
    """Ask so often, and return how often it was not refused for being too often."""
    return sum(caller.delete(path).status_code != 429 for _ in range(times))
