"""Every row of docs/limits.md, and what is beyond it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

from config import bodies, exceptions, parsers, server
from credits.models import ZERO, Wallet
from organizations import gates, strict
from organizations.models import Actor, Group, Membership, Organization, UsageProfile
from organizations.scopes import ORG_ADMIN
from tests import factories as f
from tests.organizations.people import client
from tests.usage import people as p
from usage.models import Limit, RollupMark, UsageEvent, UsageTotal
from usage.serializers.actors import MAX_MEMBERS
from usage.serializers.children import MAX_CHILDREN
from usage.services.budgets import MAX_BUDGETS
from usage.services.rollups import TAIL
from usage.views import children as many
from usage.views.i5 import MAX_DAYS, MAX_DAYS_BY_MONTH, MAX_ROWS

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = re.findall(
    r"^\| ([a-z][^|]+?) \| ([\d,]+) \| [^|]+ \|$",
    (settings.BASE_DIR / Path("docs/limits.md")).read_text(),
    re.MULTILINE,
)
CHILDREN = "/api/v1/organizations/bulk"
HOLDS, EVENTS = "/api/v1/usage/reservations", "/api/v1/usage/events"
BULK, PROFILES = "/api/v1/ai/credit-controls/users", "/api/usage-profiles"
FIRST = date(2026, 1, 1)


class World:
    """An organization, and how its key asks."""

    def __init__(self) -> None:
        self.tenant = f.make_organization("Tenant", funded=1_000)
        self.caller: Any = client(f.make_key(self.tenant, scopes=["*", ORG_ADMIN])[1])

    def send(self, path: str, body: Any, method: str = "POST", **headers: str) -> Any:
        content = body if isinstance(body, str) else json.dumps(body)
        return self.caller.generic(
            method, path, content, content_type="application/json", **headers
        )

    def get(self, path: str, **query: Any) -> Any:
        return self.caller.get(path, query)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("config.throttling.limit_of", lambda *_: None)
    return World()


def body_of(world: World, most: int) -> tuple[int, int]:
    sent = [world.send(HOLDS, '{"estimatedCredits":1}'.ljust(size)) for size in (most, most + 1)]
    return sent[0].status_code, sent[1].status_code


def bulk_body(world: World, most: int) -> tuple[int, int]:
    body = json.dumps({"events": [{"source": "s", "id": "1", "credits": 1}]})
    sent = [world.send(EVENTS, body.ljust(size)) for size in (most, most + 1)]
    return sent[0].status_code, sent[1].status_code


def objects(world: World, most: int) -> tuple[int, int]:
    inside = [parsers.loads(b'{"a":[%s]}' % b",".join([b"{}"] * (most - 2)))]
    beyond = world.send(EVENTS, {"events": [{}] * most})
    assert beyond.json()["error"]["details"]["fields"].keys() == {"events"}
    return 200 * len(inside), beyond.status_code


def names(world: World, most: int) -> tuple[int, int]:
    assert most == parsers.MAX_NAMES

    def body(count: int) -> str:
        named = ",".join(f'"{number:x}" : "a:b"' for number in range(count))
        return "{" + named + "}"

    assert len(parsers.loads(body(most).encode())) == most
    answer = world.send(EVENTS, body(most + 1))
    told = {"body": [f"At most {most} names of fields are allowed in a body."]}
    assert answer.json()["error"]["details"] == {"fields": told}
    return 200, answer.status_code


def depth(world: World, most: int) -> tuple[int, int]:
    def sent(levels: int) -> int:
        status: int = world.send(HOLDS, '{"a":' * levels + "1" + "}" * levels).status_code
        return status

    return sent(most), sent(most + 1)


def digits(world: World, most: int) -> tuple[int, int]:
    sent = [world.send(HOLDS, '{"estimatedCredits":%s}' % ("9" * n)) for n in (most, most + 1)]
    return sent[0].status_code, sent[1].status_code


def listed(path: str, make: Callable[[int], Any], method: str = "POST") -> Any:
    def case(world: World, most: int) -> tuple[int, int]:
        sent = [world.send(path, make(count), method) for count in (most, most + 1)]
        return sent[0].status_code, sent[1].status_code

    return case


def event(number: int) -> dict[str, Any]:
    return {"source": "s", "id": str(number), "credits": 0}


def user(number: int) -> dict[str, Any]:
    return {"userId": str(uuid4()), "creditLimit": 1}


def profile(count: int) -> dict[str, Any]:
    fields = {"name": "n", "slug": f"s{count}", "description": ""}
    return fields | {"features": [f"f{number}" for number in range(count)]}


def scopes(world: World, most: int) -> tuple[int, int]:
    path = f"/api/v1/organizations/{world.tenant.public_id}/api-keys"
    sent = [world.send(path, {"name": "k", "scopes": ["*"] * n}) for n in (most, most + 1)]
    return sent[0].status_code, sent[1].status_code


def metadata(world: World, most: int) -> tuple[int, int]:
    body = {"estimatedCredits": 1}
    notes = {f"k{number}": "v" for number in range(most)}
    inside = world.send(HOLDS, body | {"metadata": notes})
    return inside.status_code, world.send(
        HOLDS, body | {"metadata": notes | {"k": "v"}}
    ).status_code


def errors(world: World, most: int) -> tuple[int, int]:
    assert most == exceptions.MAX_ERRORS
    details = world.send(HOLDS, {f"n{n}": 1 for n in range(1_000)}).json()["error"]["details"]
    return len(details["fields"]) * 2, 422 if details["omitted"] == 1_000 - most else 0


def faults(world: World, most: int) -> tuple[int, int]:
    """Of an event; what is beyond is counted."""
    answer = world.send(EVENTS, {"events": [{f"n{n}": 1 for n in range(100)}]})
    said = answer.json()["results"][0]["reason"]
    told = said.count("not known here")
    return answer.status_code if told == most else 0, 422 if f"{100 - most} more" in said else 0


def letters(world: World, most: int) -> tuple[int, int]:
    answer = world.send(HOLDS, {"estimatedCredits": 1, "x" * 60_000: 1})
    assert answer.json()["error"]["details"]["fields"].keys() == {"x" * most}
    return 2 * strict.MAX_NAME, answer.status_code


def page(path: str, name: str = "limit") -> Any:
    def case(world: World, most: int) -> tuple[int, int]:
        sent = [world.get(path, **{name: count}) for count in (most, most + 1)]
        return sent[0].status_code, sent[1].status_code

    return case


def days(*paths: str) -> Any:
    def case(world: World, most: int) -> tuple[int, int]:
        assert most in (MAX_DAYS, MAX_DAYS_BY_MONTH)
        statuses = set()
        for path in paths:
            spans = [
                {"startDate": FIRST, "endDate": FIRST + timedelta(most - 1 + n)} for n in (0, 1)
            ]
            inside, beyond = (world.get(path, **span) for span in spans)
            assert beyond.json()["message"] == f"startDate: A report is of at most {most} days."
            statuses.add((inside.status_code, beyond.status_code))
        [found] = statuses
        return found

    return case


def tail(world: World, most: int) -> tuple[int, int]:
    """As if so many events had been told; and one more. Positions have no gaps, so nobody counts them."""
    assert most == TAIL
    wallet = Wallet.objects.filter(organization=world.tenant)
    answers = []
    for position in (most, most + 1):
        wallet.update(event_position=position)
        answers.append(world.get("/api/usage/monthly"))
    wallet.update(event_position=0)
    assert answers[1].status_code == 503
    return answers[0].status_code, 400 if answers[1].headers["Retry-After"] else 0


def resources(world: World, most: int) -> tuple[int, int]:
    assert most == MAX_ROWS
    RollupMark.objects.create(organization=world.tenant, rolled_up_at=f.NOW)
    span = {"startDate": FIRST, "endDate": FIRST}
    rows = [total_of(world.tenant, n + 1, resource_id=f"a{n}") for n in range(most + 5)]
    UsageTotal.objects.bulk_create([*rows[5:], all_of(rows[5:])])
    exactly = world.get("/api/usage", **span).json()["usageSummary"]
    assert [row["entityType"] for row in exactly] == ["app"] * most
    UsageTotal.objects.bulk_create(rows[:5])
    whole = all_of(rows)
    UsageTotal.objects.filter(of="work").update(credits=whole.credits, events=whole.events)
    told = world.get("/api/usage", **span).json()
    *named, other = told["usageSummary"]
    assert (len(named), other["entityType"], other["totalEvents"]) == (most, "other", 5)
    assert other["totalCredits"] == 1 + 2 + 3 + 4 + 5
    total = sum(row["totalCredits"] for row in told["usageSummary"])
    assert total == sum(row["totalCredits"] for row in told["dailyTotals"])
    UsageTotal.objects.all().delete()
    return 200, 400


def total_of(
    tenant: Organization, credits: Any, *, of: str = "resource", resource_id: str, events: int = 1
) -> UsageTotal:
    return UsageTotal(
        organization=tenant,
        of=of,
        span="day",
        starts_on=FIRST,
        work_type="ai",
        resource_type="app" if resource_id else "",
        resource_id=resource_id,
        credits=credits,
        events=events,
    )


def all_of(rows: Sequence[UsageTotal]) -> UsageTotal:
    """Return what all resources add up to."""
    credits = sum(row.credits for row in rows)
    return total_of(rows[0].organization, credits, of="work", resource_id="", events=len(rows))


def looked_at(world: World, most: int) -> tuple[int, int]:
    """So many events, of which none is what is asked for; and one more."""
    UsageEvent.objects.bulk_create(
        UsageEvent(
            organization=world.tenant,
            source="jobs",
            external_id=str(number),
            credits=ZERO,
            list_credits=ZERO,
            month=f.NOW.date().replace(day=1),
            occurred_at=f.NOW,
            created_at=f.NOW,
            position=number,
        )
        for number in range(1, most + 2)
    )
    Wallet.objects.filter(organization=world.tenant).update(event_position=most + 1)
    first = world.get(EVENTS, source="reservation").json()
    second = world.get(EVENTS, source="reservation", cursor=first["nextCursor"]).json()
    assert first["items"] == second["items"] == []
    return 200, 400 if second["nextCursor"] is None else 0


def budgets(world: World, most: int) -> tuple[int, int]:
    assert most == MAX_BUDGETS
    Limit.objects.bulk_create(
        Limit(
            organization=world.tenant,
            scope=Limit.Scope.RESOURCE,
            resource_type="app",
            resource_id=f"a{number}",
            cap=ZERO,
            created_at=f.NOW,
            updated_at=f.NOW,
        )
        for number in range(most + 1)
    )
    return 200, len(world.get("/api/usage").json()["budgets"]) - most + 400


def profiles(world: World, most: int) -> tuple[int, int]:
    UsageProfile.objects.bulk_create(
        UsageProfile(
            organization=world.tenant,
            name="n",
            slug=f"s{number}",
            created_at=f.NOW,
            updated_at=f.NOW,
        )
        for number in range(most)
    )
    told = world.get(PROFILES).json()["_embedded"]["inf:usage-profile"]
    return 200, len(told) - most + 400


def members(world: World, most: int) -> tuple[int, int]:
    assert most == MAX_MEMBERS
    team = p.make_group(world.tenant, "team")
    actors = Actor.objects.bulk_create(
        Actor(organization=world.tenant, name="n", created_at=f.NOW, updated_at=f.NOW)
        for _ in range(most + 1)
    )
    Membership.objects.bulk_create(
        Membership(organization=world.tenant, group=team, actor=actor, kind=Group.Kind.TEAM)
        for actor in actors
    )
    [in_list] = world.get("/api/v1/groups").json()["items"]
    alone = world.get(f"/api/v1/groups/{team.public_id}").json()
    assert in_list == alone
    assert alone["memberCount"] == most + 1
    named = world.get("/api/v1/actors", groupId=team.public_id, limit=100).json()
    assert len(named["items"]) == 100
    assert named["nextCursor"]
    return 200, len(alone["memberIds"]) - most + 400


def parameters(world: World, most: int) -> tuple[int, int]:
    assert most == settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    query = "&".join(f"p{number}=1" for number in range(most + 1))
    return 200, world.get(f"/api/v1/credits?{query}").status_code


def slow(name: str, chunk: bytes) -> Any:
    """A body of which a piece comes every hundredth of a second, or none, against a bound that is scaled down."""

    async def pieces() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            if chunk:
                yield chunk

    async def given_up() -> bool:
        body = bodies.Body(pieces(), 2 * 1024 * 1024, asyncio.get_running_loop())
        await body.arrive()
        with pytest.raises(bodies.BodyTooSlow):
            body.read()
        return True

    def case(_: World, most: int) -> tuple[int, int]:
        assert most == getattr(bodies, name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bodies, name, 0.2)
            assert asyncio.run(given_up())
        return 200, exceptions.ERRORS[bodies.BodyTooSlow][0]

    return case


def slow_at_once(_: World, most: int) -> tuple[int, int]:
    house = server.Server()
    with ExitStack() as stack:
        places = [stack.enter_context(house._place("org")) for _ in range(most + 1)]
        assert stack.enter_context(house._place("another"))
    assert places == [True] * most + [False]
    return 200, exceptions.ERRORS[bodies.TooManyBodies][0]


def statement(_: World, most: int) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == (f"{most}s",)
        cursor.execute("SET statement_timeout = 50")
        with pytest.raises(OperationalError) as given_up:
            cursor.execute("SELECT pg_sleep(600)")
    connection.close()
    assert exceptions.explain(given_up.value).status == 503
    return 200, 400


def lock(_: World, most: int) -> tuple[int, int]:
    assert most == settings.REQUEST_LOCK_TIMEOUT_MS
    with pytest.MonkeyPatch.context() as patch:
        options = dict(settings.DATABASES["default"]["OPTIONS"])
        patch.setitem(settings.DATABASES["default"], "OPTIONS", options)
        server.Server().__rsgi_init__(asyncio.new_event_loop())
    assert options["options"].endswith(f"lock_timeout={most}ms")
    timed_out = OperationalError()
    timed_out.__cause__ = LockNotAvailable()
    assert exceptions.explain(timed_out).status == 503
    return 200, 400


def at_a_wallet(*, is_stuck: bool) -> Callable[[World, int], tuple[int, int]]:
    def case(_: World, most: int) -> tuple[int, int]:
        mine, wallet = gates.Gates(patience_seconds=0.01), uuid4()
        if is_stuck:
            mine.stuck[wallet] = None
        with ExitStack() as stack:
            for _place in range(most):
                stack.enter_context(mine.through(wallet))
            with pytest.raises(gates.WalletBusy) as refused:
                stack.enter_context(mine.through(wallet))
        told = exceptions.explain(refused.value)
        assert (told.status, told.headers) == (503, {"Retry-After": "1"})
        return 200, 400

    return case


def children(world: World, most: int) -> tuple[int, int]:
    assert most == MAX_CHILDREN
    # Each is refused by itself, before a transaction is open.
    few, many_more = (
        world.send(CHILDREN, {"organizations": [{"name": ""}] * n}, HTTP_IDEMPOTENCY_KEY="k")
        for n in (most, most + 1)
    )
    assert few.status_code == 200
    return few.status_code, many_more.status_code


def seconds_of_children(world: World, most: int) -> tuple[int, int]:
    assert most == many.SECONDS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "SECONDS", -1)
        sent = {"organizations": [{"name": "Acme"}]}
        answer = world.send(CHILDREN, sent, HTTP_IDEMPOTENCY_KEY="k")
    assert answer.json() == {"results": [{"status": "not_done"}]}
    return answer.status_code, 400


CASES: dict[str, Any] = {
    "bytes of a body": body_of,
    "bytes of a body of `usage/events`, `organizations/bulk` or a bulk route of `ai/…`": bulk_body,
    "objects and lists in a body": objects,
    "names of fields in a body": names,
    "depth of a body": depth,
    "digits of a number": digits,
    "events in a batch": listed(EVENTS, lambda n: {"events": [event(i) for i in range(n)]}),
    "children of `organizations/bulk`": children,
    "seconds in which `organizations/bulk` begins new children": seconds_of_children,
    "entries of a bulk route": listed(
        BULK, lambda n: {"users": [user(i) for i in range(n)]}, "PATCH"
    ),
    "scopes of a key": scopes,
    "features of a profile": listed(PROFILES, profile),
    "keys of metadata": metadata,
    "errors that are told": errors,
    "faults of an event that are told": faults,
    "letters of an unknown field that are told": letters,
    "rows of a page": page("/api/v1/credits/events"),
    "organizations of a page": page("/api/v1/organizations"),
    "rows of a page of `ai/…`": page(BULK, "pageSize"),
    "rows that a page looks at": looked_at,
    "consumers of `usage/top-consumers`": page("/api/usage/top-consumers"),
    "days that `credits/forecast` looks ahead": page("/api/v1/credits/forecast", "horizonDays"),
    "days of `usage` and `usage/top-consumers`": days("/api/usage", "/api/usage/top-consumers"),
    "days of `usage/monthly`": days("/api/usage/monthly"),
    "events that a report adds up itself": tail,
    "resources that `usage` names": resources,
    "budgets that `usage` lists": budgets,
    "profiles of a list": profiles,
    "members that a group is told with": members,
    "parameters of a query": parameters,
    # Through a socket they are tried in test_server.py.
    "seconds that a body may stay away": slow("PATIENCE_SECONDS", b""),
    "seconds that a body may take": slow("DEADLINE_SECONDS", b"x" * 4096),
    "slow bodies of one customer, or of one address without a key, at once in each process": slow_at_once,
    "seconds of one statement": statement,
    "milliseconds that a request waits for a lock": lock,
    "requests at one wallet at once in each process": at_a_wallet(is_stuck=False),
    "requests at one wallet that somebody else holds, at once in each process": at_a_wallet(
        is_stuck=True
    ),
}


def test_every_row_has_its_test() -> None:
    assert [what for what, _ in TABLE] == list(CASES)


@pytest.mark.parametrize(("what", "most"), TABLE, ids=[what for what, _ in TABLE])
def test_a_row(world: World, what: str, most: str) -> None:
    inside, beyond = CASES[what](world, int(most.replace(",", "")))

    assert inside not in (0, 413, 429)
    assert inside < 500
    assert 400 <= beyond < 500


class TestWork:
    """Work is counted, not timed: nothing is made of what is too much."""

    def test_no_event_is_looked_at_when_there_are_too_many(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked_at: list[Any] = []
        monkeypatch.setattr("usage.serializers.events.ToldEvent.run_validation", looked_at.append)

        answer = world.send(EVENTS, {"events": [{}] * 15_000})

        assert answer.status_code == 422
        assert len(answer.content) < 1_000
        assert looked_at == []

    def test_the_largest_body_of_nothing_is_answered_in_a_line(self, world: World) -> None:
        text = '{{"events":[{}]}}'.format(",".join(["{}"] * 690_000))

        answer = world.send(EVENTS, text)

        assert answer.status_code == 422
        assert "events" in answer.json()["error"]["message"]
        assert len(answer.content) < 1_000
