"""Holding credits while work runs: /api/v1/usage/reservations and its verbs."""

from typing import Any

import pytest
import time_machine

from credits.models import LedgerEntry, Reservation
from organizations.models import IdempotencyKey, Organization
from tests import factories as f
from tests.callers import Caller, caller_of, child_path, error, ok
from tests.callers import clock as clock
from tests.usage import people as p

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

NOWHERE = "rsv_01980000-0000-7000-8000-000000000000"


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=1_000)


@pytest.fixture
def backend(organization: Organization) -> Caller:
    return caller_of(organization)


def verb(reservation_id: str, name: str) -> str:
    return f"/usage/reservations/{reservation_id}/{name}"


def pool(organization: Organization, cap: float = 1_000, **changes: Any) -> dict[str, Any]:
    """Return the limit that a wallet of `cap` credits is."""
    return {
        "scope": "pool",
        "id": organization.public_id,
        "cap": cap,
        "used": 0,
        "reserved": 0,
        "remaining": cap,
        "resetsAt": None,
        "binding": True,
        **changes,
    }


def uncapped(organization: Organization, **changes: Any) -> dict[str, Any]:
    return {
        "scope": "organization",
        "id": organization.public_id,
        "cap": None,
        "used": 0,
        "reserved": 0,
        "remaining": None,
        "resetsAt": "2026-06-01T00:00:00.000Z",
        "binding": False,
        **changes,
    }


def after(
    organization: Organization, *, used: float = 0, reserved: float = 0
) -> list[dict[str, Any]]:
    """Return the limits of a wallet of 1,000 credits once so much of it is used and reserved."""
    left = 1_000 - used
    return [
        uncapped(organization, used=used, reserved=reserved),
        pool(organization, left, reserved=reserved, remaining=left - reserved),
    ]


class TestReserve:
    def test_answers_the_hold(self, backend: Caller, organization: Organization) -> None:
        body = ok(backend.reserve(120), 201)

        (reservation,) = Reservation.objects.all()
        assert body == {
            "id": reservation.public_id,
            "status": "open",
            "credits": 120,
            "settledCredits": None,
            "requestedModel": None,
            "effectiveModel": None,
            "decision": "allow",
            "byok": False,
            "maxOutputTokens": None,
            "ratedAt": None,
            "limits": after(organization, reserved=120),
            "expiresAt": "2026-05-10T12:15:00.000Z",
            "late": False,
        }
        assert f.money_of(organization) == f.amounts(1_000, 120, 880)
        assert reservation.performed_by == ok(backend.get("/whoami"))["apiKeyId"]

    def test_explains_the_cap_and_what_is_used_and_held(
        self, backend: Caller, organization: Organization
    ) -> None:
        f.set_terms(organization, monthly_cap=500, allowance=10)
        f.spend(organization, "100.5")
        f.reserve(organization, 50)

        limits = ok(backend.reserve(1), 201)["limits"]

        assert limits == [
            uncapped(organization, cap=500, used=100.5, reserved=51, remaining=348.5, binding=True),
            pool(
                organization,
                899.5,
                reserved=51,
                remaining=848.5,
                resetsAt="2026-06-01T00:00:00.000Z",
                binding=False,
            ),
        ]

    def test_takes_fractions_exactly(self, backend: Caller, organization: Organization) -> None:
        answer = backend.post_text("/usage/reservations", '{"estimatedCredits": 0.1000010}')

        assert b'"credits":0.100001,' in answer.content
        assert f.money_of(organization) == f.amounts(1_000, "0.100001", "999.899999")

    def test_takes_an_exponent(self, backend: Caller) -> None:
        answer = backend.post_text("/usage/reservations", '{"estimatedCredits": 1.2E2}')

        assert ok(answer, 201)["credits"] == 120

    def test_takes_zero_as_a_value(self, backend: Caller) -> None:
        assert ok(backend.reserve(0), 201)["credits"] == 0

    @pytest.mark.parametrize(
        ("seconds", "expires_at"),
        [(1, "2026-05-10T12:00:01.000Z"), (86_400, "2026-05-11T12:00:00.000Z")],
    )
    def test_lives_as_long_as_it_is_told(
        self, backend: Caller, seconds: int, expires_at: str
    ) -> None:
        assert ok(backend.reserve(1, expiresInSeconds=seconds), 201)["expiresAt"] == expires_at

    def test_holds_what_there_is_if_that_will_do(
        self, backend: Caller, organization: Organization
    ) -> None:
        f.reserve(organization, 400)

        assert ok(backend.reserve(5_000, mode="up_to"), 201)["credits"] == 600
        assert error(backend.reserve(5_000, mode="up_to")) == (402, "BILLING_EXHAUSTED")

    def test_keeps_the_metadata_for_the_ledger(
        self, backend: Caller, organization: Organization
    ) -> None:
        held = ok(backend.reserve(5, metadata={"projectId": "prj_1"}), 201)
        ok(backend.settle(held["id"], 5))

        newest = ok(backend.get("/credits/events"))["items"][0]

        assert newest["projectId"] == "prj_1"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"estimatedCredits": None},
            {"estimatedCredits": "5"},
            {"estimatedCredits": True},
            {"estimatedCredits": -1},
            {"estimatedCredits": 0.0000001},
            {"estimatedCredits": 1.0000001},
            {"estimatedCredits": 10**13 + 1},
            {"estimatedCredits": 5, "expiresInSeconds": 0},
            {"estimatedCredits": 5, "expiresInSeconds": 86_401},
            {"estimatedCredits": 5, "expiresInSeconds": 1.5},
            {"estimatedCredits": 5, "expiresInSeconds": None},
            {"estimatedCredits": 5, "mode": "approximately"},
            {"estimatedCredits": 5, "mode": None},
            {"estimatedCredits": 5, "metadata": {"k": 1}},
            {"estimatedCredits": 5, "credits": 5},
            {"estimatedCredits": 5, "model": "gpt"},
        ],
    )
    def test_refuses_a_body_that_breaks_the_rules(
        self, backend: Caller, body: dict[str, Any]
    ) -> None:
        assert error(backend.post("/usage/reservations", body)) == (422, "VALIDATION")
        assert not Reservation.objects.exists()

    def test_holds_once_for_its_key(self, backend: Caller, organization: Organization) -> None:
        first = backend.reserve(120, key="k")
        again = backend.reserve(120, key="k")

        assert (again.status_code, again.content) == (201, first.content)
        assert f.money_of(organization) == f.amounts(1_000, 120, 880)

    def test_reads_a_body_with_a_key_as_it_is_meant_not_as_it_is_spelled(
        self, backend: Caller, organization: Organization
    ) -> None:
        for text in (
            '{"estimatedCredits":5,"mode":"exact"}',
            '{"mode":"exact", "estimatedCredits":5.0}',
        ):
            ok(backend.post_text("/usage/reservations", text, key="k"), 201)

        assert Reservation.objects.count() == 1

    def test_refuses_a_key_that_was_used_for_another_amount(self, backend: Caller) -> None:
        backend.reserve(120, key="k")

        assert error(backend.reserve(121, key="k")) == (409, "IDEMPOTENCY_CONFLICT")

    def test_holds_the_last_credits_once_and_says_so_again(self, backend: Caller) -> None:
        first = ok(backend.reserve(1_000, key="k"), 201)

        assert ok(backend.reserve(1_000, key="k"), 201) == first

    def test_needs_the_scope_to_write(self, organization: Organization) -> None:
        caller = caller_of(organization, "usage:read", "credits:read", "manage")

        assert error(caller.reserve(1)) == (403, "FORBIDDEN_SCOPE")

    def test_holds_on_the_wallet_of_the_child_in_which_a_parent_acts(self) -> None:
        parent, child = f.make_family()
        f.allocate(child, 100)

        ok(caller_of(parent, acting=child).reserve(60), 201)

        assert f.money_of(child) == f.amounts(100, 60, 40)
        assert f.wallet_of(parent).reserved == 0

    def test_is_in_the_rate_class_of_the_request_path(self, backend: Caller) -> None:
        held = backend.reserve(5)
        path = f"/usage/reservations/{held.json()['id']}"

        for answer in (held, backend.get(path), backend.post(f"{path}/release")):
            assert answer["X-RateLimit-Endpoint-Class"] == "request-path"


class TestGet:
    def test_answers_the_hold_as_it_was_answered(self, backend: Caller) -> None:
        held = ok(backend.reserve(120), 201)

        assert ok(backend.get(f"/usage/reservations/{held['id']}")) == held

    def test_takes_a_bare_uuid(self, backend: Caller) -> None:
        held = ok(backend.reserve(120), 201)

        assert ok(backend.get(f"/usage/reservations/{held['id'].removeprefix('rsv_')}")) == held

    def test_says_expired_when_its_time_has_passed(
        self, backend: Caller, clock: time_machine.Traveller
    ) -> None:
        held = ok(backend.reserve(120, expiresInSeconds=60), 201)
        path = f"/usage/reservations/{held['id']}"

        clock.move_to(f.later(seconds=59.999999))
        before = ok(backend.get(path))["status"]
        clock.move_to(f.later(seconds=60))
        after = ok(backend.get(path))["status"]

        assert (before, after) == ("open", "expired")
        assert Reservation.objects.get().status == "open"  # reading it wrote nothing

    @pytest.mark.parametrize("scope", ["usage:read", "usage:write"])
    def test_needs_one_of_two_scopes(self, organization: Organization, scope: str) -> None:
        held = f.reserve(organization, 5)
        path = f"/usage/reservations/{held.public_id}"

        assert caller_of(organization, scope).get(path).status_code == 200
        assert error(caller_of(organization, "credits:read").get(path)) == (403, "FORBIDDEN_SCOPE")

    def test_knows_no_reservation_of_anybody_else(self, backend: Caller) -> None:
        other = f.reserve(f.make_organization(funded=10), 5)

        assert error(backend.get(f"/usage/reservations/{other.public_id}")) == (404, "NOT_FOUND")

    def test_knows_no_reservation_of_a_child_unless_it_acts_there(self) -> None:
        parent, child = f.make_family()
        f.allocate(child, 100)
        held = f.reserve(child, 5)
        path = f"/usage/reservations/{held.public_id}"

        assert error(caller_of(parent).get(path)) == (404, "NOT_FOUND")
        assert ok(caller_of(parent, acting=child).get(path))["id"] == held.public_id


class TestSettle:
    @pytest.mark.parametrize("credits", [0, 1.5, 120, 150])
    def test_charges_what_the_work_cost(
        self, backend: Caller, organization: Organization, credits: float
    ) -> None:
        held = ok(backend.reserve(120), 201)

        body = ok(backend.settle(held["id"], credits))

        limits = after(organization, used=credits)
        entry = LedgerEntry.objects.filter(kind="settle").first()
        assert body == held | {
            "status": "settled",
            "settledCredits": credits,
            "limits": limits,
            "entryId": entry.public_id if entry else None,
        }
        assert (entry is not None) == bool(credits)
        assert ok(backend.get(f"/usage/reservations/{held['id']}")) == body
        assert f.money_of(organization) == f.amounts(f"{1000 - credits}", 0, f"{1000 - credits}")

    def test_repeated_answers_the_same_and_charges_once(
        self, backend: Caller, organization: Organization
    ) -> None:
        held = ok(backend.reserve(120), 201)
        first = backend.settle(held["id"], 100)

        again = backend.settle(held["id"], 100)

        assert again.content == first.content
        assert f.wallet_of(organization).balance == 900

    def test_refuses_another_amount_the_second_time(
        self, backend: Caller, organization: Organization
    ) -> None:
        held = ok(backend.reserve(120), 201)
        ok(backend.settle(held["id"], 100))

        assert error(backend.settle(held["id"], 101)) == (409, "CONFLICT")
        assert f.wallet_of(organization).balance == 900

    def test_refuses_what_was_released(self, backend: Caller) -> None:
        held = ok(backend.reserve(120), 201)
        ok(backend.post(verb(held["id"], "release")))

        answer = backend.settle(held["id"], 100)

        assert error(answer) == (409, "CONFLICT")
        assert "released" in answer.json()["error"]["message"]

    def test_after_the_expiry_is_booked_and_marked_late(
        self, backend: Caller, organization: Organization, clock: time_machine.Traveller
    ) -> None:
        held = ok(backend.reserve(120, expiresInSeconds=60), 201)
        clock.move_to(f.later(days=40))

        body = ok(backend.settle(held["id"], 100))

        entry_id = LedgerEntry.objects.get(kind="settle").public_id
        changed = {"status": "settled", "settledCredits": 100, "late": True, "entryId": entry_id}
        assert body == held | changed | {"limits": after(organization, used=100)}
        assert f.wallet_of(organization).balance == 900

    def test_takes_an_idempotency_key(self, backend: Caller, organization: Organization) -> None:
        held = ok(backend.reserve(120), 201)
        first = backend.settle(held["id"], 100, key="k")

        assert backend.settle(held["id"], 100, key="k").content == first.content
        assert error(backend.settle(held["id"], 99, key="k")) == (409, "IDEMPOTENCY_CONFLICT")
        assert f.wallet_of(organization).balance == 900

    @pytest.mark.parametrize(
        "body", [{}, {"credits": -1}, {"credits": "5"}, {"credits": None}, {"estimatedCredits": 5}]
    )
    def test_refuses_a_body_that_breaks_the_rules(
        self, backend: Caller, body: dict[str, Any]
    ) -> None:
        held = ok(backend.reserve(120), 201)

        assert error(backend.post(verb(held["id"], "settle"), body)) == (422, "VALIDATION")
        assert Reservation.objects.get().status == "open"


class TestRelease:
    def test_gives_the_credits_back(self, backend: Caller, organization: Organization) -> None:
        held = ok(backend.reserve(120), 201)

        body = ok(backend.post(verb(held["id"], "release"), {}))

        assert body == held | {"status": "released", "limits": after(organization)}
        assert f.money_of(organization) == f.amounts(1_000, 0, 1_000)

    def test_takes_no_body_or_an_empty_one(self, backend: Caller) -> None:
        held = ok(backend.reserve(120), 201)

        assert ok(backend.post(verb(held["id"], "release")))["status"] == "released"
        assert ok(backend.post(verb(held["id"], "release"), {}))["status"] == "released"
        assert error(backend.post(verb(held["id"], "release"), {"credits": 1})) == (
            422,
            "VALIDATION",
        )

    def test_refuses_what_was_settled_naming_the_state(
        self, backend: Caller, organization: Organization
    ) -> None:
        held = ok(backend.reserve(120), 201)
        ok(backend.settle(held["id"], 100))

        answer = backend.post(verb(held["id"], "release"))

        assert error(answer) == (409, "CONFLICT")
        assert "settled" in answer.json()["error"]["message"]
        assert f.wallet_of(organization).balance == 900

    def test_refuses_what_has_expired_naming_the_state(
        self, backend: Caller, clock: time_machine.Traveller
    ) -> None:
        held = ok(backend.reserve(120, expiresInSeconds=60), 201)
        clock.move_to(f.later(seconds=60))

        answer = backend.post(verb(held["id"], "release"))

        assert error(answer) == (409, "CONFLICT")
        assert "expired" in answer.json()["error"]["message"]

    def test_takes_an_idempotency_key(self, backend: Caller) -> None:
        held = ok(backend.reserve(120), 201)
        first = backend.post(verb(held["id"], "release"), key="k")

        assert backend.post(verb(held["id"], "release"), key="k").content == first.content


class TestExtend:
    def test_counts_from_now(self, backend: Caller, clock: time_machine.Traveller) -> None:
        held = ok(backend.reserve(120, expiresInSeconds=60), 201)
        clock.move_to(f.later(seconds=30))

        body = ok(backend.post(verb(held["id"], "extend"), {"expiresInSeconds": 60}))

        assert body == held | {"expiresAt": "2026-05-10T12:01:30.000Z"}

    def test_never_shortens(self, backend: Caller) -> None:
        held = ok(backend.reserve(120), 201)

        assert ok(backend.post(verb(held["id"], "extend"), {"expiresInSeconds": 1})) == held

    @pytest.mark.parametrize("end", ["settle", "release", "expiry"])
    def test_refuses_what_is_not_open(
        self, backend: Caller, clock: time_machine.Traveller, end: str
    ) -> None:
        held = ok(backend.reserve(120, expiresInSeconds=60), 201)
        if end == "expiry":
            clock.move_to(f.later(seconds=60))
        else:
            ok(backend.post(verb(held["id"], end), {"credits": 1} if end == "settle" else {}))

        answer = backend.post(verb(held["id"], "extend"), {"expiresInSeconds": 60})

        assert error(answer) == (409, "CONFLICT")

    @pytest.mark.parametrize(
        "body", [{}, {"expiresInSeconds": 0}, {"expiresInSeconds": 86_401}, {"seconds": 5}]
    )
    def test_refuses_a_body_that_breaks_the_rules(
        self, backend: Caller, body: dict[str, Any]
    ) -> None:
        held = ok(backend.reserve(120), 201)

        assert error(backend.post(verb(held["id"], "extend"), body)) == (422, "VALIDATION")

    def test_extends_once_for_its_key(self, backend: Caller, clock: time_machine.Traveller) -> None:
        held = ok(backend.reserve(120, expiresInSeconds=60), 201)
        first = backend.post(verb(held["id"], "extend"), {"expiresInSeconds": 90}, key="k")
        clock.move_to(f.later(seconds=30))

        again = backend.post(verb(held["id"], "extend"), {"expiresInSeconds": 90}, key="k")

        assert again.content == first.content
        assert Reservation.objects.get().expires_at == f.later(seconds=90)


class TestGrow:
    def test_makes_the_estimate_the_new_total(
        self, backend: Caller, organization: Organization
    ) -> None:
        held = ok(backend.reserve(120), 201)

        body = ok(backend.post(verb(held["id"], "grow"), {"estimatedCredits": 200}))

        assert (body["id"], body["credits"], body["status"]) == (held["id"], 200, "open")
        assert f.money_of(organization) == f.amounts(1_000, 200, 800)

    @pytest.mark.parametrize("credits", [0, 119.5, 120])
    def test_never_shrinks(
        self, backend: Caller, organization: Organization, credits: float
    ) -> None:
        held = ok(backend.reserve(120), 201)

        assert ok(backend.post(verb(held["id"], "grow"), {"estimatedCredits": credits})) == held
        assert f.money_of(organization) == f.amounts(1_000, 120, 880)

    def test_denied_leaves_the_hold_as_it_was(
        self, backend: Caller, organization: Organization
    ) -> None:
        held = ok(backend.reserve(120), 201)

        answer = backend.post(verb(held["id"], "grow"), {"estimatedCredits": 1_000.5})

        assert error(answer) == (402, "BILLING_EXHAUSTED")
        assert ok(backend.get(f"/usage/reservations/{held['id']}")) == held

    def test_refuses_what_is_not_open(self, backend: Caller) -> None:
        held = ok(backend.reserve(120), 201)
        ok(backend.settle(held["id"], 1))

        answer = backend.post(verb(held["id"], "grow"), {"estimatedCredits": 200})

        assert error(answer) == (409, "CONFLICT")

    def test_grows_once_for_its_key(self, backend: Caller, organization: Organization) -> None:
        held = ok(backend.reserve(120), 201)
        first = backend.post(verb(held["id"], "grow"), {"estimatedCredits": 200}, key="k")

        again = backend.post(verb(held["id"], "grow"), {"estimatedCredits": 200}, key="k")

        assert again.content == first.content
        assert f.money_of(organization) == f.amounts(1_000, 200, 800)


class TestEveryVerb:
    @pytest.mark.parametrize(
        ("name", "body"),
        [
            ("settle", {"credits": 1}),
            ("release", {}),
            ("extend", {"expiresInSeconds": 60}),
            ("grow", {"estimatedCredits": 7}),
        ],
    )
    def test_knows_own_reservations_only(
        self, backend: Caller, name: str, body: dict[str, Any]
    ) -> None:
        other = f.make_organization(funded=10)
        theirs = f.reserve(other, 5)

        for reservation_id in (theirs.public_id, NOWHERE):
            answer = backend.post(verb(reservation_id, name), body, key="k")
            assert error(answer) == (404, "NOT_FOUND")
        assert f.money_of(other) == f.amounts(10, 5, 5)
        assert not IdempotencyKey.objects.exists()

    @pytest.mark.parametrize("name", ["settle", "release", "extend", "grow"])
    def test_refuses_a_malformed_id(self, backend: Caller, name: str) -> None:
        assert error(backend.post(verb("rsv_5", name), {})) == (422, "VALIDATION")
        assert error(backend.post(verb(NOWHERE.replace("rsv", "org"), name), {})) == (
            422,
            "VALIDATION",
        )


class TestHoldsOfAChildThatIsNotActive:
    """What runs may end: the parent settles, releases and reads it. Nothing new begins."""

    @pytest.fixture
    def family(self) -> tuple[Organization, Organization]:
        parent, child = f.make_family()
        f.allocate(child, 100)
        return parent, child

    @pytest.mark.parametrize(
        ("end", "refusal"),
        [(f.suspend, (503, "KILL_SWITCH")), (f.archive, (409, "CONFLICT"))],
        ids=["suspended", "archived"],
    )
    def test_may_end_and_nothing_may_begin(
        self,
        family: tuple[Organization, Organization],
        end: Any,
        refusal: tuple[int, str],
    ) -> None:
        parent, child = family
        first, second = (p.hold(p.work(child, credits)).public_id for credits in (10, 20))
        boss = caller_of(parent, acting=child)
        end(child)

        assert error(boss.reserve(1)) == refusal
        assert error(boss.post(verb(first, "extend"), {"expiresInSeconds": 9_000})) == refusal
        assert error(boss.post(verb(first, "grow"), {"estimatedCredits": 30})) == refusal
        assert ok(boss.get(f"/usage/reservations/{first}"))["status"] == "open"
        assert ok(boss.settle(first, 8))["settledCredits"] == 8
        assert ok(boss.post(verb(second, "release")))["status"] == "released"
        assert f.wallet_of(child).reserved == 0

    @pytest.mark.parametrize(
        ("end", "refusal"),
        [(f.suspend, (503, "KILL_SWITCH")), (f.archive, (409, "CONFLICT"))],
        ids=["suspended", "archived"],
    )
    def test_are_refused_before_the_request_is_read(
        self, family: tuple[Organization, Organization], end: Any, refusal: tuple[int, str]
    ) -> None:
        parent, child = family
        boss = caller_of(parent, acting=child)
        end(child)

        assert error(boss.post("/usage/reservations", {"nonsense": 1})) == refusal
        assert error(boss.post(verb(NOWHERE, "grow"), {})) == refusal

    @pytest.mark.parametrize("whose", ["own", "parent's"])
    @pytest.mark.parametrize("personal", [False, True], ids=["organization", "personal"])
    def test_may_end_by_whoever_holds_them_while_it_or_its_parent_is_suspended(
        self, family: tuple[Organization, Organization], whose: str, personal: bool
    ) -> None:
        parent, child = family
        actor = p.make_actor(child) if personal else None
        _, secret = f.make_key(child, actor=actor)
        caller = Caller(secret)
        first, second = (ok(caller.reserve(credits), 201)["id"] for credits in (10, 20))
        f.suspend(child if whose == "own" else parent)

        stopped = [
            caller.reserve(1),
            caller.post("/usage/check", {"estimatedCredits": 1}),
            caller.post(verb(first, "extend"), {"expiresInSeconds": 9_000}),
            caller.post(verb(first, "grow"), {"estimatedCredits": 30}),
            caller.get("/whoami"),
            caller.get("/usage/events"),
            caller.post("/usage/events", {"events": []}),
        ]

        assert {error(answer) for answer in stopped} == {(503, "KILL_SWITCH")}
        assert ok(caller.get(f"/usage/reservations/{first}"))["status"] == "open"
        assert ok(caller.settle(first, 8))["settledCredits"] == 8
        assert ok(caller.post(verb(second, "release")))["status"] == "released"
        assert f.money_of(child) == f.amounts(92, 0, 92)

    def test_may_end_with_the_key_of_a_parent_that_is_suspended_itself(
        self, family: tuple[Organization, Organization]
    ) -> None:
        parent, child = family
        held = p.hold(p.work(child, 10)).public_id
        boss = caller_of(parent, acting=child)
        f.suspend(parent)

        assert error(boss.reserve(1)) == (503, "KILL_SWITCH")
        assert ok(boss.settle(held, 8))["settledCredits"] == 8

    def test_return_what_they_free_to_the_parent_of_an_archived_child(
        self, family: tuple[Organization, Organization]
    ) -> None:
        parent, child = family
        held = p.hold(p.work(child, 30)).public_id
        boss = caller_of(parent)

        assert ok(boss.delete(child_path(child)))["reclaimedCredits"] == 70
        ok(caller_of(parent, acting=child).settle(held, 12))

        assert f.wallet_of(child).balance == 0
        assert f.wallet_of(parent).balance == 988
        assert LedgerEntry.objects.filter(kind="sweep").count() == 4


class TestReplay:
    """A repeat gets the bytes of the first answer. A header says that it is one, and what has become of the hold."""

    def test_says_so_and_names_the_present_status(
        self, backend: Caller, clock: time_machine.Traveller
    ) -> None:
        first = backend.reserve(10, key="k")
        held = ok(first, 201)
        again = backend.reserve(10, key="k")
        ok(backend.post(f"/usage/reservations/{held['id']}/release", key="r"))
        released = backend.reserve(10, key="k")

        assert "Idempotency-Replayed" not in first.headers
        assert "X-Present-Status" not in first.headers
        assert first.content == again.content == released.content
        assert [each["Idempotency-Replayed"] for each in (again, released)] == ["true", "true"]
        assert [each["X-Present-Status"] for each in (again, released)] == ["open", "released"]

    def test_names_a_hold_whose_time_has_passed_expired(
        self, backend: Caller, clock: time_machine.Traveller
    ) -> None:
        ok(backend.reserve(10, key="k"), 201)
        clock.shift(901)

        assert backend.reserve(10, key="k")["X-Present-Status"] == "expired"
