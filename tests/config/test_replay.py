"""Replaying a trace: what is sent, what is counted, and whether a ledger that disagrees is found out."""

import json
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.live_server_helper import LiveServer

from config import replay, trace
from config.replay import Client, Entry, Replay, Unreachable
from credits.models import LedgerEntry, Reservation
from organizations.models import IdempotencyKey, Organization
from tests.factories import make_key, make_organization, wallet_of
from tests.usage.people import make_model, set_price
from usage.models import UsageEvent

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
ROWS = HEADER + (
    "2023-11-16 18:15:46.6805900,374,44\n"
    "2023-11-16 18:15:46.9951690,396,109\n"
    "2023-11-16 18:15:47.2224670,879,55\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trace.csv"
    path.write_text(ROWS)
    return path


class TestRead:
    def test_returns_the_requests_in_their_order(self, file: Path) -> None:
        work = trace.read(file)

        assert [each.line for each in work] == [2, 3, 4]
        assert [each.tokens for each in work] == [418, 505, 934]
        assert (work[2].came_at - work[0].came_at).total_seconds() == 0.541877

    def test_stops_at_the_limit(self, file: Path) -> None:
        assert len(trace.read(file, limit=2)) == 2

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ("", "line 1: no column TIMESTAMP, ContextTokens, GeneratedTokens"),
            ("TIMESTAMP,ContextTokens\n", "line 1: no column GeneratedTokens"),
            (HEADER, "holds no requests"),
            (HEADER + "yesterday,1,2\n", "line 2, TIMESTAMP: 'yesterday' is not a time"),
            (ROWS + "2023-11-16 18:15:48,many,2\n", "line 5, ContextTokens: 'many' is not"),
            (HEADER + "2023-11-16 18:15:48,1,-2\n", "line 2, GeneratedTokens: '-2' is not"),
            (HEADER + "2023-11-16 18:15:48,1,٣\n", "line 2, GeneratedTokens: '٣' is not"),
            (HEADER + "2023-11-16 18:15:48,1\n", "line 2, GeneratedTokens: '' is not"),
        ],
    )
    def test_names_the_line_and_the_column(self, file: Path, content: str, problem: str) -> None:
        file.write_text(content)

        with pytest.raises(trace.BadTrace) as error:
            trace.read(file)

        assert f"{file}" in str(error.value)
        assert problem in str(error.value)

    def test_says_that_there_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(trace.BadTrace, match="No such file"):
            trace.read(tmp_path / "missing.csv")

    def test_refuses_what_is_not_text(self, file: Path) -> None:
        file.write_bytes(b"\xff\xfe\x00")

        with pytest.raises(trace.BadTrace, match="not text"):
            trace.read(file)


class TestPrice:
    @pytest.mark.parametrize(
        ("tokens", "per_1000", "credits"),
        [
            (0, "0.25", "0"),
            (418, "0.25", "0.1045"),
            (1, "0.001", "0.000001"),
            (1, "0.0011", "0.000002"),
            (10**12, "3.333333", "3333333000"),
        ],
    )
    def test_rounds_up_at_six_places(self, tokens: int, per_1000: str, credits: str) -> None:
        assert trace.price(tokens, per_1000=Decimal(per_1000)) == Decimal(credits)


class TestPercentile:
    def test_is_a_value_that_occurred(self) -> None:
        values = [float(number) for number in range(200, 0, -1)]

        assert [replay.percentile(values, percent) for percent in (50, 95, 99)] == [100, 190, 198]

    def test_of_one_value_is_that_value(self) -> None:
        assert replay.percentile([7.0], 99) == 7


class Script(BaseHTTPRequestHandler):
    """A server that answers what it is told to, and remembers what it was asked."""

    answers: list[tuple[int, dict[str, str]]]
    keys: list[str | None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.keys.append(self.headers["Idempotency-Key"])
        status, headers = self.answers.pop(0)
        if status == 0:
            self.close_connection = True
            return
        body = json.dumps({"error": {"code": "SOME_CODE"}}).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def script() -> Iterator[tuple[type[Script], str]]:
    handler = type("Handler", (Script,), {"answers": [], "keys": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class TestClient:
    def reserve(self, url: str) -> replay.Answer:
        client = Client(url, "lp_test", connections=1)
        return client.reserve({"estimatedCredits": 1}, key="k-1", metadata={})

    @pytest.mark.parametrize("status", [503, 429])
    def test_tries_again_with_the_same_key(
        self, script: tuple[type[Script], str], status: int
    ) -> None:
        handler, url = script
        handler.answers += [(status, {"Retry-After": "0"}), (0, {}), (201, {})]

        answer = self.reserve(url)

        assert answer.status == 201
        assert answer.retries == 2
        assert handler.keys == ["k-1", "k-1", "k-1"]

    def test_waits_as_long_as_it_is_told(self, script: tuple[type[Script], str]) -> None:
        handler, url = script
        handler.answers += [(503, {"Retry-After": "1"}), (201, {})]

        answer = self.reserve(url)

        assert answer.seconds >= 1

    def test_gives_up_at_last(
        self, script: tuple[type[Script], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replay, "ATTEMPTS_MORE", 2)
        handler, url = script
        handler.answers += [(503, {"Retry-After": "0"})] * 5

        answer = self.reserve(url)

        assert answer.error == "503 SOME_CODE"
        assert len(handler.keys) == 3

    @pytest.mark.parametrize("status", [400, 409, 500])
    def test_asks_nothing_twice_that_was_answered(
        self, script: tuple[type[Script], str], status: int
    ) -> None:
        handler, url = script
        handler.answers += [(status, {}), (201, {})]

        assert self.reserve(url).status == status
        assert len(handler.keys) == 1

    def test_says_at_once_that_nobody_answers(self) -> None:
        client = Client("http://127.0.0.1:9", "lp_test", connections=1)

        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
            client.greet()


class Customer:
    """An organization with a key, and a server that it calls."""

    def __init__(self, live_server: LiveServer, **terms: Any) -> None:
        self.url = live_server.url
        self.organization = make_organization(**terms)
        _, self.key = make_key(self.organization)

    def replay(
        self, file: Path, *options: str, price: str = "--credits-per-1000-tokens=0.3333333"
    ) -> str:
        answer = StringIO()
        call_command(
            "replay",
            str(file),
            f"--api-key={self.key}",
            f"--url={self.url}",
            price,
            *options,
            stdout=answer,
        )
        return answer.getvalue()


@pytest.mark.django_db(transaction=True)
class TestCommand:
    @pytest.fixture
    def customer(self, live_server: LiveServer) -> Customer:
        return Customer(live_server, funded=10)

    def test_settles_what_each_request_cost(self, customer: Customer, file: Path) -> None:
        customer.replay(file)

        settled = Reservation.objects.order_by("id").values_list("credits", "settled_credits")
        costs = [trace.price(tokens, per_1000=Decimal("0.3333333")) for tokens in (418, 505, 934)]
        bounds = [trace.price(tokens, per_1000=Decimal("0.3333333")) for tokens in (483, 505, 988)]
        assert sorted(settled) == sorted(zip(bounds, costs, strict=True))
        assert wallet_of(customer.organization).balance == 10 - sum(costs)

    def test_takes_its_key_from_the_environment(
        self, customer: Customer, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PURSER_API_KEY", customer.key)

        call_command(
            "replay",
            str(file),
            f"--url={customer.url}",
            "--credits-per-1000-tokens=0.25",
            stdout=StringIO(),
        )

        assert Reservation.objects.filter(status="settled").count() == 3

    def test_needs_a_key(self, file: Path) -> None:
        with pytest.raises(CommandError, match="--api-key"):
            call_command("replay", str(file), "--credits-per-1000-tokens=0.25")

    def test_sends_a_key_with_every_call(self, customer: Customer, file: Path) -> None:
        customer.replay(file)

        assert IdempotencyKey.objects.filter(key__endswith="-reserve").count() == 3
        assert IdempotencyKey.objects.filter(key__endswith="-settle").count() == 3

    def test_keeps_the_order_of_the_trace(self, customer: Customer, file: Path) -> None:
        customer.replay(file, "--concurrency=1")

        entries = LedgerEntry.objects.filter(kind="settle").order_by("number")
        assert [entry.metadata["workflowId"] for entry in entries] == ["line 2", "line 3", "line 4"]

    def test_says_what_happened(self, customer: Customer, file: Path) -> None:
        said = customer.replay(file)

        assert said.startswith("3 of 3 requests in ")
        for line in (
            "  settled   3\n",
            "  denied    0\n",
            "  errors    0\n",
            "  credits   0.658668 held, 0.619002 settled\n",
            "The ledger agrees to the last digit: 3 entries, 0.619002 credits.\n",
        ):
            assert line in said
        for call in ("reserve", "settle"):
            assert f"  {call:<9} p50 " in said

    def test_counts_denials_by_their_reason(self, live_server: LiveServer, file: Path) -> None:
        customer = Customer(live_server, funded=10, monthly_cap=Decimal("0.2"))

        said = customer.replay(file, "--concurrency=1")

        assert "  settled   1\n" in said
        assert "  denied    2 (cap 2)\n" in said
        assert "The ledger agrees" in said

    def test_takes_its_time_if_asked(self, customer: Customer, file: Path) -> None:
        said = customer.replay(file, "--speed=1")

        elapsed = Decimal(said.split(" requests in ")[1].split(" s:")[0])
        assert elapsed >= Decimal("0.5")

    def test_ends_after_the_request_under_way(self, customer: Customer, file: Path) -> None:
        client = Client(customer.url, customer.key, connections=1)
        run = Replay(client, trace.read(file), pricing=replay.ByCredits(Decimal(1)))

        def interrupt() -> None:
            raise KeyboardInterrupt

        run.run(on_done=interrupt)

        assert list(run.tally.settled) == [2]
        assert wallet_of(customer.organization).reserved == 0

    def test_sends_no_more_than_the_limit(self, customer: Customer, file: Path) -> None:
        assert customer.replay(file, "--limit=2").startswith("2 of 2 requests")

    def test_is_not_confused_by_what_was_there_before(self, customer: Customer, file: Path) -> None:
        customer.replay(file)

        assert "agrees to the last digit: 3 entries" in customer.replay(file)

    @pytest.mark.parametrize(
        ("spoil", "problem"),
        [
            (lambda entries: entries[1:], "booked 0"),
            (lambda entries: [entries[0], *entries], "booked 0.6"),
            (
                lambda entries: [
                    entries[0]._replace(credits=entries[0].credits + Decimal("0.000001")),
                    *entries[1:],
                ],
                "settled 0.311334, booked 0.311333",
            ),
        ],
        ids=["a lost entry", "an entry booked twice", "a digit"],
    )
    def test_fails_if_the_ledger_does_not_agree(
        self,
        customer: Customer,
        file: Path,
        monkeypatch: pytest.MonkeyPatch,
        spoil: Any,
        problem: str,
    ) -> None:
        honest = Client.entries_since

        def spoiled(client: Client, event: str | None) -> Iterator[Entry]:
            yield from spoil(list(honest(client, event)))

        monkeypatch.setattr(Client, "entries_since", spoiled)
        answer = StringIO()

        with pytest.raises(CommandError, match="does not agree"):
            call_command(
                "replay",
                str(file),
                f"--api-key={customer.key}",
                f"--url={customer.url}",
                "--credits-per-1000-tokens=0.3333333",
                "--concurrency=1",
                stdout=answer,
            )

        assert problem in answer.getvalue()

    def test_fails_if_the_balance_moved_otherwise(
        self, customer: Customer, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        balances = iter([Decimal(10), Decimal(9)])
        monkeypatch.setattr(Client, "balance", lambda client: next(balances))

        with pytest.raises(CommandError, match="does not agree: 1 difference"):
            customer.replay(file)

    def test_says_that_the_key_opens_nothing(self, customer: Customer, file: Path) -> None:
        customer.key = customer.key[:-1] + ("0" if customer.key[-1] != "0" else "1")

        with pytest.raises(CommandError, match="401 UNAUTHENTICATED"):
            customer.replay(file)

    def test_says_that_nobody_answers(self, customer: Customer, file: Path) -> None:
        customer.url = "http://127.0.0.1:9"

        with pytest.raises(CommandError, match="does not answer"):
            customer.replay(file)

    def test_says_what_is_wrong_with_the_file(self, customer: Customer, file: Path) -> None:
        file.write_text(HEADER)

        with pytest.raises(CommandError, match="holds no requests"):
            customer.replay(file)

    @pytest.mark.parametrize(
        "option",
        [
            *("--credits-per-1000-tokens=0", "--credits-per-1000-tokens=NaN"),
            *("--concurrency=0", "--speed=-1", "--limit=x", "--url=ftp://here"),
        ],
    )
    def test_refuses_an_option_that_makes_no_sense(
        self, customer: Customer, file: Path, option: str
    ) -> None:
        with pytest.raises(CommandError, match=option.split("=", maxsplit=1)[0]):
            customer.replay(file, option)


@pytest.mark.django_db(transaction=True)
class TestByModel:
    PRICE = "--model=sonnet"

    @pytest.fixture
    def customer(self, live_server: LiveServer) -> Customer:
        model = make_model("sonnet", credits_per_million=None)
        set_price(model, "333.333333", "input_tokens")
        set_price(model, 1_001)
        return Customer(live_server, funded=10)

    def test_settles_what_the_rate_card_says(self, customer: Customer, file: Path) -> None:
        said = customer.replay(file, price=self.PRICE)

        costs = [Decimal("0.168711"), Decimal("0.241109"), Decimal("0.348055")]
        settled = Reservation.objects.order_by("settled_credits")
        assert list(settled.values_list("settled_credits", flat=True)) == costs
        assert wallet_of(customer.organization).balance == 10 - sum(costs)
        assert "The ledger agrees to the last digit: 3 entries, 0.757875 credits.\n" in said

    def test_tells_the_tokens_of_each_request(self, customer: Customer, file: Path) -> None:
        customer.replay(file, price=self.PRICE)

        events = UsageEvent.objects.order_by("input_tokens")
        told = events.values_list("model_id", "input_tokens", "output_tokens")
        assert list(told) == [("sonnet", 374, 44), ("sonnet", 396, 109), ("sonnet", 879, 55)]
        estimates = Reservation.objects.values_list("estimate__output", flat=True)
        assert list(estimates) == [109, 109, 109]

    def test_agrees_where_the_work_was_free(self, customer: Customer, file: Path) -> None:
        Organization.objects.update(byok=True)

        said = customer.replay(file, price=self.PRICE)

        assert "  settled   3\n" in said
        assert "The ledger agrees to the last digit: 0 entries, 0 credits.\n" in said

    def test_asks_for_a_token_where_no_answer_has_any(self, customer: Customer, file: Path) -> None:
        file.write_text(HEADER + "2023-11-16 18:15:46,374,0\n")

        assert "  settled   1\n" in customer.replay(file, price=self.PRICE)

    @pytest.mark.parametrize("slug", ["unheard-of", "unpriced"])
    def test_says_at_once_that_the_model_has_no_price(
        self, customer: Customer, file: Path, slug: str
    ) -> None:
        make_model("unpriced", credits_per_million=None)

        with pytest.raises(CommandError, match=f"model {slug}: 422"):
            customer.replay(file, price=f"--model={slug}")

        assert not Reservation.objects.exists()

    def test_is_one_way_to_price_or_the_other(self, customer: Customer, file: Path) -> None:
        with pytest.raises(CommandError, match="not allowed with"):
            customer.replay(file, self.PRICE)

    def test_needs_one_of_them(self, customer: Customer, file: Path) -> None:
        with pytest.raises(CommandError, match="one of the arguments"):
            customer.replay(file, price="--limit=1")
