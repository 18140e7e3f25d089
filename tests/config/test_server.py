"""The server through its socket: who sends slowly, half, or twice keeps nobody waiting and moves nothing."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import cycle, islice
from select import select
from types import SimpleNamespace
from typing import Self

import pytest

from config import bodies, server
from config.server import SLOW_BODIES, THREADS, TURN_SECONDS, Server
from credits.models import Reservation
from organizations.models import ApiKey, Organization
from organizations.scopes import ORG_ADMIN
from tests.config.serving import HEAD, Answer, Line, half, post, serving
from tests.config.test_run import request
from tests.factories import make_family, make_key, make_organization

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("server")]

HOLDS = "/api/v1/usage/reservations"
HOLD = '{"estimatedCredits":10}'


@pytest.fixture(scope="module")
def port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serving(tmp_path_factory.mktemp("server") / "log") as port:
        yield port


@pytest.fixture
def acme() -> Organization:
    return make_organization("Acme", funded=100_000)


@pytest.fixture
def secret(acme: Organization) -> str:
    return bearer(acme)


def bearer(organization: Organization, *scopes: str) -> str:
    """Return the header of a key of its own."""
    key = make_key(organization, scopes=["*", *scopes], tier=ApiKey.Tier.PARTNER)[1]
    return f"Authorization: Bearer {key}"


def everybody_answers(port: int, secret: str) -> None:
    """Ask four times as often as there are threads, one after another."""
    for _ in range(4 * THREADS):
        assert request(port, "GET", "/healthz")[0] == 200
        assert held(port, secret).status == 201


def held(port: int, secret: str) -> Answer:
    """Return the answer to a hold, asked for again where that is what it says: on a busy machine any body may come late, and count among the slow."""
    for _ in range(60):
        answer = post(port, HOLDS, HOLD, secret).answer()
        if answer.status != 429:
            break
        time.sleep(int(answer.headers["retry-after"]))
    return answer


def holds() -> int:
    return Reservation.objects.count()


class TestHalfSentBodies:
    def test_keep_nobody_waiting(self, port: int, secret: str) -> None:
        other = bearer(make_organization("Slow", funded=10))
        kinds: list[Callable[[], Line]] = [
            lambda: half(port, "POST /healthz"),
            lambda: half(port, "GET /healthz"),
            lambda: half(port, "POST /nowhere"),
            lambda: half(port, "POST /api/nowhere"),
            lambda: half(port, f"POST {HOLDS}"),
            lambda: half(port, f"POST {HOLDS}", other),
            lambda: half(port, f"GET {HOLDS}", other),
            lambda: half(port, "POST /api/v1/usage/events", other),
            lambda: half(port, f"POST {HOLDS}", "Transfer-Encoding: chunked"),
            lambda: half(port, f"POST {HOLDS}", other, "Transfer-Encoding: chunked", sent="5\r\n{"),
            lambda: half(
                port,
                "POST /admin/login/",
                f"Cookie: csrftoken={'a' * 32}",
                "Content-Type: application/x-www-form-urlencoded",
            ),
            lambda: half(port, "PATCH /api/v1/ai/credit-controls/users", other),
        ]
        with ExitStack() as open_lines:
            for begin in islice(cycle(kinds), 64):
                open_lines.enter_context(closing(begin()))

            everybody_answers(port, secret)

    def test_of_a_valid_key_keep_nobody_waiting(self, port: int, secret: str) -> None:
        """Not even the owner of the key: it is the threads that must stay free."""
        with ExitStack() as open_lines:
            for _ in range(64):
                open_lines.enter_context(closing(half(port, f"POST {HOLDS}", secret)))

            everybody_answers(port, secret)

    def test_of_one_caller_are_bounded(self, port: int, secret: str) -> None:
        lines = [half(port, f"POST {HOLDS}", secret) for _ in range(SLOW_BODIES + 8)]

        answers = [line.answer() for line in lines]

        statuses = [answer.status for answer in answers]
        assert sorted(set(statuses)) == [408, 429]
        assert statuses.count(429) >= 8
        refused = answers[statuses.index(429)]
        assert refused.json["error"]["code"] == "RATE_LIMITED"
        assert refused.headers["retry-after"] == "1"
        assert holds() == 0

    def test_of_one_address_leave_the_logins_of_others_alone(self, port: int) -> None:
        """Who has a cookie, and be it made up, is asked for the form: by a page that does not know yet who asks."""
        form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n"
        head = f"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: csrftoken={'a' * 32}\r\n{form}\r\n"
        with ExitStack() as open_lines:
            lines = [
                open_lines.enter_context(closing(Line(port).send(head))) for _ in range(SLOW_BODIES)
            ]
            time.sleep(4 * bodies.MOMENT_SECONDS)

            refused = Line(port, "127.0.0.1").send(head).answer()
            answered_before, _, _ = select([line.socket for line in lines], [], [], 0)
            asked = Line(port, "127.0.0.2").send(head).send("user=dora").answer()

        # At once: whose body is waited for is answered after those who came before.
        assert (refused.status, answered_before) == (400, [])
        assert "This form is too old" in asked.content.decode()

    def test_never_come_and_are_given_up(self, port: int, secret: str) -> None:
        answer = half(port, f"POST {HOLDS}", secret).answer()

        assert answer.status == 408
        assert answer.json["error"]["code"] == "REQUEST_TIMEOUT"
        assert answer.headers["connection"] == "close"

    def test_of_heads_keep_nobody_waiting(self, port: int, secret: str) -> None:
        with ExitStack() as open_lines:
            for number in range(64):
                line = Line(port).send("POST /api/v1/usage/check HTTP/1.1\r\nHost: 127.0.0.1\r\n")
                open_lines.enter_context(closing(line.send(f"X-Slow-{number}: ")))

            everybody_answers(port, secret)


class Caller:
    """What granian calls with: a request without a body, and where its answer goes."""

    def __init__(self, path: str) -> None:
        headers = SimpleNamespace(keys=list, get_all=lambda name: [])
        self.scope = SimpleNamespace(
            server="127.0.0.1:80", client="127.0.0.1:1", scheme="http", http_version="1.1"
        )
        vars(self.scope).update(method="GET", path=path, query_string="", headers=headers)
        self.status = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    def response_bytes(self, status: int, headers: object, content: bytes) -> None:
        self.status = status


class TestConsole:
    @pytest.mark.parametrize(
        ("waits", "paths"),
        [
            ("/admin/", ("/healthz", "/api/v1/whoami", "/administrators")),
            ("/admin/credits/ledgerentry/export/", ("/admin/", "/api/v1/whoami")),
            ("/admin/credits/billingperiod/7/statement.csv", ("/admin/", "/healthz")),
        ],
    )
    def test_that_waits_leaves_others_their_threads(
        self, monkeypatch: pytest.MonkeyPatch, waits: str, paths: Sequence[str]
    ) -> None:
        may_go_on = threading.Event()

        def answer_to(environ: dict[str, str]) -> server.Answer:
            if environ["PATH_INFO"] == waits:
                may_go_on.wait(60)
            return server.Answer(200)

        async def ask() -> None:
            one = server.Server()
            pages = [Caller(waits) for _ in range(2 * THREADS)]
            waiting = [asyncio.create_task(one.__rsgi__(page.scope, page)) for page in pages]
            try:
                for path in paths:
                    caller = Caller(path)
                    await asyncio.wait_for(one.__rsgi__(caller.scope, caller), 30)
                    assert caller.status == 200
                assert {page.status for page in pages} == {0}
            finally:
                may_go_on.set()
                await asyncio.gather(*waiting)
            assert {page.status for page in pages} == {200}

        monkeypatch.setattr(server, "answer_to", answer_to)
        asyncio.run(ask())


class TestUnreadBodies:
    """Nothing is read before it is known who asks: the answer is there while the body is not."""

    @pytest.mark.parametrize(
        ("start", "status"),
        [
            ("POST /api/v1/usage/reservations", 401),
            ("POST /api/v1/usage/events", 401),
            ("PATCH /api/v1/ai/credit-controls/users", 401),
            ("GET /api/v1/credits", 401),
            ("POST /api/nowhere", 404),
            ("POST /nowhere", 404),
            ("GET /healthz", 200),
            ("POST /admin/login/", 403),
        ],
    )
    @pytest.mark.parametrize("coming", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
    def test_of_strangers(self, port: int, start: str, status: int, coming: str) -> None:
        line = Line(port).send(f"{start} HTTP/1.1\r\n{HEAD}{coming}\r\n\r\n")

        answer = line.answer()

        assert answer.status == status
        assert answer.headers["connection"] == "close"

    @pytest.mark.parametrize(
        ("start", "status"),
        [
            ("GET /api/v1/credits", 200),
            ("PUT /api/v1/credits", 405),
            ("POST /api/v1/organizations", 403),
            ("POST /api/v1/usage/reservations?nobody=1", 422),
        ],
    )
    def test_that_no_door_asks_for(self, port: int, secret: str, start: str, status: int) -> None:
        assert half(port, start, secret).answer().status == status

    def test_that_are_announced_too_long(self, port: int, secret: str) -> None:
        assert post(port, HOLDS, "{", secret, length=65_537).answer().status == 413
        assert (
            post(port, "/api/v1/usage/events", "{", secret, length=9_000_000).answer().status == 413
        )

    def test_of_who_asks_too_often(self, port: int, acme: Organization) -> None:
        key = make_key(acme, scopes=["*"], tier=ApiKey.Tier.STANDARD)[1]
        statuses = [
            half(port, "PUT /api/v1/credits", f"Authorization: Bearer {key}").answer().status
            for _ in range(61)
        ]

        assert statuses == [405] * 60 + [429]

    def test_leave_the_answer_to_be_read(self, port: int) -> None:
        """Who sends all of it before listening sees the answer, and not a reset."""
        line = Line(port).send(
            f"POST {HOLDS} HTTP/1.1\r\n{HEAD}Content-Length: 4000000\r\n\r\n".encode()
            + b" " * 4_000_000
        )

        assert line.answer().status == 401


class TestSlowBodies:
    def test_work_when_they_are_in_order(self, port: int, secret: str) -> None:
        line = Line(port).send(
            f"POST {HOLDS} HTTP/1.1\r\n{HEAD}{secret}\r\nContent-Length: {len(HOLD)}\r\n\r\n"
        )
        for character in HOLD:
            time.sleep(2 * bodies.MOMENT_SECONDS / len(HOLD))
            line.send(character)

        answer = line.answer()

        assert answer.status == 201
        assert holds() == 1
        assert "connection" not in answer.headers

    def test_count_once_against_the_rate(self, port: int, acme: Organization) -> None:
        key = make_key(acme, scopes=["*"], tier=ApiKey.Tier.PARTNER)[1]
        path, body = (
            f"/api/v1/organizations/{acme.public_id}/api-keys",
            '{"name":"k","scopes":["*"]}',
        )
        line = half(port, f"POST {path}", f"Authorization: Bearer {key}", sent="")
        time.sleep(4 * bodies.MOMENT_SECONDS)

        answer = line.send(body + " " * (1000 - len(body))).answer()

        assert answer.status == 201
        assert answer.headers["x-ratelimit-remaining"] == "2999"

    def test_work_when_they_are_chunked(self, port: int, secret: str) -> None:
        line = half(port, f"POST {HOLDS}", secret, "Transfer-Encoding: chunked", sent="1\r\n{\r\n")
        time.sleep(2 * bodies.MOMENT_SECONDS)

        answer = line.send(f"{len(HOLD) - 1:x}\r\n{HOLD[1:]}\r\n0\r\n\r\n").answer()

        assert answer.status == 201

    def test_may_be_as_slow_as_a_bad_line(self) -> None:
        """10 kB/s bring two megabytes within every bound; a byte a second does not bring a page."""
        two_megabytes, a_second = 2 * 1024 * 1024, 10_000
        seconds = two_megabytes / a_second

        assert a_second / 2 > bodies.BYTES_PER_SECOND
        assert seconds < bodies.DEADLINE_SECONDS
        assert bodies.PATIENCE_SECONDS + 64 / bodies.BYTES_PER_SECOND < 64


class TestTruncatedBodies:
    """What came is JSON in order, and is not what was meant."""

    def test_are_never_executed(self, port: int, secret: str) -> None:
        answer = post(port, HOLDS, HOLD, secret, length=1_000).hang_up().answer()

        assert answer.status == 400
        assert answer.json["error"]["code"] == "VALIDATION"
        assert "ended within the body" in answer.json["error"]["message"]
        assert holds() == 0

    @pytest.mark.parametrize("end", ["", "0\r\n", "5\r\n  "])
    def test_are_never_executed_when_they_are_chunked(
        self, port: int, secret: str, end: str
    ) -> None:
        sent = f"{len(HOLD):x}\r\n{HOLD}\r\n{end}"
        chunked = "Transfer-Encoding: chunked"

        answer = half(port, f"POST {HOLDS}", secret, chunked, sent=sent).hang_up().answer()

        assert answer.status == 400
        assert holds() == 0

    def test_are_never_executed_when_the_caller_is_gone(self, port: int, secret: str) -> None:
        post(port, HOLDS, HOLD, secret, length=1_000).close()

        everybody_answers(port, secret)
        assert holds() == 4 * THREADS


class TestTwoMeanings:
    """Headers that WSGI would make into one."""

    def test_a_header_with_underscores_is_none(self, port: int) -> None:
        parent, child = make_family(funded=1_000)
        header = f"X_Layers_Organization: {child.public_id}"

        post(port, HOLDS, HOLD, bearer(parent, ORG_ADMIN), header).answer()

        assert Reservation.objects.get().wallet.organization == parent

    def test_an_idempotency_key_with_underscores_is_none(self, port: int, secret: str) -> None:
        path, body = "/api/v1/credits/recharge", '{"credits":5}'

        answer = post(port, path, body, secret, "Idempotency_Key: k").answer()

        assert answer.json["error"]["code"] == "IDEMPOTENCY_REQUIRED"

    def test_an_authorization_with_underscores_is_none(self, port: int, secret: str) -> None:
        assert post(port, HOLDS, HOLD, secret.replace("Auth", "_Auth")).answer().status == 401

    @pytest.mark.parametrize(
        "twice",
        [
            ("Idempotency-Key: a", "Idempotency-Key: b"),
            ("Idempotency-Key: a", "idempotency-key: a"),
            ("Authorization: Bearer x",),
            ("X-Layers-Organization: a", "X-Layers-Organization: b"),
            ("X-Layers-Organization: \xe9",),
            ("Content-Type: text/plain",),
            ("Host: localhost",),
        ],
    )
    def test_what_is_given_twice_is_refused(
        self, port: int, secret: str, twice: tuple[str, ...]
    ) -> None:
        answer = post(port, HOLDS, HOLD, secret, *twice).answer()

        assert answer.status == 400
        assert twice[0].partition(":")[0].lower() in answer.json["error"]["message"]
        assert holds() == 0

    @pytest.mark.parametrize("keys", ["a,b", "a, b"])
    def test_two_keys_that_were_joined_are_refused(self, port: int, secret: str, keys: str) -> None:
        assert post(port, HOLDS, HOLD, secret, f"Idempotency-Key: {keys}").answer().status == 422
        assert holds() == 0

    def test_two_lengths_are_refused(self, port: int, secret: str) -> None:
        line = post(port, HOLDS, HOLD, secret, "Content-Length: 5")

        assert line.answer().status == 400
        assert holds() == 0

    def test_a_length_beside_chunks_ends_the_connection(self, port: int, secret: str) -> None:
        """The chunks count, and what follows is not taken for another request."""
        chunked = f"{len(HOLD):x}\r\n{HOLD}\r\n0\r\n\r\n"
        smuggled = f"POST {HOLDS} HTTP/1.1\r\n{HEAD}{secret}\r\nContent-Length: 0\r\n\r\n"
        line = post(port, HOLDS, chunked + smuggled, secret, "Transfer-Encoding: chunked", length=5)

        assert line.answer().headers["connection"] == "close"
        assert holds() <= 1


class TestAnswers:
    def test_of_a_path_that_is_not_utf8(self, port: int, secret: str) -> None:
        line = Line(port).send(f"GET /api/usage-budgets/app/%FF HTTP/1.1\r\n{HEAD}{secret}\r\n\r\n")

        assert line.answer().status == 400

    def test_of_a_path_with_letters(self, port: int, secret: str) -> None:
        path = "/api/usage-budgets/app/Zo%C3%AB"
        line = Line(port).send(f"GET {path} HTTP/1.1\r\n{HEAD}{secret}\r\n\r\n")

        assert line.answer().json["entityId"] == "Zoë"

    def test_of_one_connection_come_one_after_another(self, port: int, secret: str) -> None:
        line = post(port, HOLDS, HOLD, secret)
        first = line.answer().status
        head = f"POST {HOLDS} HTTP/1.1\r\n{HEAD}{secret}\r\nContent-Length: {len(HOLD)}\r\n\r\n"

        assert (first, line.send(head + HOLD).answer().status) == (201, 201)


class TestTurns:
    def test_are_short_while_a_page_is_made(self) -> None:
        server, usual = Server(), sys.getswitchinterval()

        with server._short_turns():
            with server._short_turns():
                assert sys.getswitchinterval() == pytest.approx(TURN_SECONDS)
            assert sys.getswitchinterval() == pytest.approx(TURN_SECONDS)

        assert sys.getswitchinterval() == pytest.approx(usual) != TURN_SECONDS
