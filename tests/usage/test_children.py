"""Many children at once, each with what it begins with: POST /organizations/bulk; and the opening balance of one alone."""

from typing import Any

import pytest

from credits import services
from organizations.models import ApiKey, Organization
from tests import factories as f
from tests.callers import Caller, caller_of, error, ok
from tests.callers import clock as clock
from tests.factories import at, later
from tests.races.threads import of, together
from usage.views import children

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

END = "2027-01-01T00:00:00Z"


@pytest.fixture
def parent() -> Organization:
    return f.make_organization(funded=100)


@pytest.fixture
def boss(parent: Organization) -> Caller:
    return caller_of(parent)


def bulk(caller: Caller, *sent: Any, key: str | None = "k") -> Any:
    return caller.post("/organizations/bulk", {"organizations": list(sent)}, key=key)


def results(caller: Caller, *sent: Any, key: str | None = "k") -> list[Any]:
    told: list[Any] = ok(bulk(caller, *sent, key=key))["results"]
    return told


def whole(name: str, credits: float = 12.345678) -> dict[str, Any]:
    return {
        "name": name,
        "metadata": {"plan": "pro"},
        "openingBalance": {"credits": credits, "expiresAt": END, "description": "welcome"},
        "creditConfig": {"monthlyCreditCap": 500, "refillThreshold": 5, "refillAmount": 10},
        "apiKey": {"name": "backend", "scopes": ["*"]},
    }


class TestBulk:
    def test_makes_each_with_all_that_it_begins_with(
        self, boss: Caller, parent: Organization
    ) -> None:
        first, second = results(boss, whole("Acme"), {"name": "Bolt"})

        acme = Organization.objects.get(name="Acme")
        assert (first["status"], second["status"]) == ("created", "created")
        assert first["organization"]["id"] == acme.public_id
        assert first["openingBalance"] == {
            "id": f.entries_of(acme)[-1].public_id,
            "credits": 12.345678,
        }
        assert f.money_of(acme) == f.amounts("12.345678", 0, "12.345678")
        assert f.wallet_of(parent).balance == f.amounts("87.654322")[0]
        (lot,) = f.grants_of(acme)
        assert lot.expires_at == at("2027-01-01")
        config = f.wallet_of(acme).config
        assert [int(n or 0) for n in (config.monthly_cap, config.refill_amount)] == [500, 10]
        assert ok(Caller(first["apiKey"]["secret"]).get("/whoami"))["organizationId"] == (
            acme.public_id
        )
        assert second.keys() == {"status", "organization"}

    def test_says_of_each_what_is_wrong_with_it_and_makes_the_rest(
        self, boss: Caller, parent: Organization
    ) -> None:
        sent = [
            {"name": ""},
            whole("Acme", credits=1_000),
            {"name": "Bolt", "creditConfig": {"refillAmount": 5}},
            {"name": "Core", "openingBalance": {"credits": 0.0000001}},
            {"name": "Dune", "openingBalance": {"credits": 1, "expiresAt": "2020-01-01T00:00:00Z"}},
            {"name": "Echo", "apiKey": {"name": "x", "scopes": ["org:admin"]}},
            {"name": "Gale"},
        ]

        told = results(boss, *sent)

        assert [result["status"] for result in told] == ["failed"] * 6 + ["created"]
        assert [result["error"]["code"] for result in told[:-1]] == [
            *("VALIDATION", "BILLING_EXHAUSTED", "VALIDATION", "VALIDATION", "VALIDATION"),
            "FORBIDDEN_SCOPE",
        ]
        assert list(told[0]["error"]["details"]["fields"]) == ["name"]
        assert list(told[3]["error"]["details"]["fields"]) == ["openingBalance.credits"]
        assert [child.name for child in parent.children.all()] == ["Gale"]
        assert f.wallet_of(parent).balance == 100
        assert not ApiKey.objects.filter(organization__parent=parent).exists()

    @pytest.mark.undocumented
    def test_says_of_one_alone_that_it_has_a_field_too_many(self, boss: Caller) -> None:
        """The call is answered 200, although the document has no such child."""
        told = results(boss, {"name": "Acme", "nobody": 1}, {"name": "Bolt"})

        assert [result["status"] for result in told] == ["failed", "created"]
        assert told[0]["error"]["details"] == {
            "fields": {"nobody": ["This field is not known here."]}
        }

    def test_is_repeated_with_its_key_and_makes_only_the_rest(
        self, boss: Caller, parent: Organization
    ) -> None:
        sent = [whole("Acme"), whole("Bolt", credits=90), {"name": "Core"}]
        before = results(boss, *sent)
        f.grant(parent, 10)

        again = results(boss, *sent)

        assert [result["status"] for result in before] == ["created", "failed", "created"]
        assert [result["status"] for result in again] == ["replayed", "created", "replayed"]
        assert again[0]["organization"] == before[0]["organization"]
        assert again[0]["apiKey"] == before[0]["apiKey"] | {"secret": None}
        assert parent.children.count() == 3

    def test_knows_a_child_by_its_external_id_a_week_later(
        self, boss: Caller, parent: Organization
    ) -> None:
        sent = [whole("Acme") | {"externalId": "c-1"}, {"name": "Bolt", "externalId": "c-2"}]
        before = results(boss, *sent)

        again = results(boss, *sent, {"name": "Core", "externalId": "c-1"}, key="another")

        assert [result["status"] for result in again] == ["replayed", "replayed", "failed"]
        assert again[0]["organization"] == before[0]["organization"]
        assert again[0]["apiKey"] == before[0]["apiKey"] | {"secret": None}
        assert again[1] == before[1] | {"status": "replayed"}
        assert again[2]["error"]["code"] == "CONFLICT"
        assert list(again[2]["error"]["details"]["fields"]) == ["externalId"]
        assert parent.children.count() == 2
        assert f.wallet_of(parent).balance == f.amounts("87.654322")[0]

    def test_makes_no_twins_within_one_call(self, boss: Caller, parent: Organization) -> None:
        told = results(boss, *[{"name": "Acme", "externalId": "c-1"}] * 2)

        assert [result["status"] for result in told] == ["created", "replayed"]
        assert parent.children.count() == 1

    def test_refuses_another_child_in_a_place_that_is_taken(
        self, boss: Caller, parent: Organization
    ) -> None:
        results(boss, {"name": "Acme"}, {"name": "Bolt"})

        told = results(boss, {"name": "Acme"}, {"name": "Core"})

        assert [result["status"] for result in told] == ["replayed", "failed"]
        assert told[1]["error"]["code"] == "IDEMPOTENCY_CONFLICT"
        assert parent.children.count() == 2

    def test_goes_on_after_a_death_in_the_middle(
        self, boss: Caller, parent: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = [{"name": name} for name in ("Acme", "Bolt", "Core")]
        open_one = services.open_child

        def die(**options: Any) -> Any:
            if options["name"] == "Bolt":
                raise KeyboardInterrupt
            return open_one(**options)

        monkeypatch.setattr(services, "open_child", die)
        with pytest.raises(KeyboardInterrupt):
            bulk(boss, *sent)
        monkeypatch.setattr(services, "open_child", open_one)

        told = results(boss, *sent)

        assert [result["status"] for result in told] == ["replayed", "created", "created"]
        assert parent.children.count() == 3

    def test_says_what_was_not_done_for_want_of_time(
        self, boss: Caller, parent: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(children, "SECONDS", -1)
        assert results(boss, {"name": "Acme"}) == [{"status": "not_done"}]
        monkeypatch.setattr(children, "SECONDS", 25)

        assert results(boss, {"name": "Acme"})[0]["status"] == "created"

    @pytest.mark.parametrize("sent", [[], [5], [{"name": "x"}] * 501, None])
    def test_refuses_what_is_no_list_of_children(self, boss: Caller, sent: Any) -> None:
        answer = boss.post("/organizations/bulk", {"organizations": sent}, key="k")

        assert error(answer) == (422, "VALIDATION")

    def test_needs_a_key_and_the_right_and_no_parent(
        self, boss: Caller, parent: Organization
    ) -> None:
        child = f.make_organization(parent=parent)

        assert error(bulk(boss, {"name": "x"}, key=None)) == (400, "IDEMPOTENCY_REQUIRED")
        assert error(bulk(caller_of(parent, "*"), {"name": "x"}))[0] == 403
        in_child = caller_of(parent, acting=child)
        assert error(bulk(in_child, {"name": "x"})) == (422, "VALIDATION")

    def test_of_a_test_key_makes_children_of_the_sandbox(self, parent: Organization) -> None:
        _, secret = f.make_key(parent, scopes=("*", "org:admin"), env="test")

        (told,) = results(Caller(secret), whole("Acme", credits=5_000))

        acme = Organization.objects.get(name="Acme")
        assert acme.parent == f.sandbox_of(parent)
        assert told["apiKey"]["env"] == "test"
        assert f.wallet_of(parent).balance == 100

    def test_takes_no_key_beyond_that_of_who_asks(self, parent: Organization) -> None:
        _, secret = f.make_key(parent, scopes=("usage:read", "org:admin"), expires_at=later(days=1))
        sent = [
            {"name": "a", "apiKey": {"name": "k", "scopes": ["manage"]}},
            {"name": "b", "apiKey": {"name": "k", "scopes": ["usage:read"], "expiresAt": END}},
            {"name": "c", "apiKey": {"name": "k", "scopes": ["usage:read"]}},
        ]

        told = results(Caller(secret), *sent)

        assert [result["status"] for result in told] == ["failed", "failed", "created"]
        assert told[2]["apiKey"]["expiresAt"].startswith("2026-05-11")


class TestOpeningBalance:
    def test_of_one_child_has_six_places_and_an_end(
        self, boss: Caller, parent: Organization
    ) -> None:
        body = {"name": "Acme", "openingBalance": {"credits": 0.000001, "expiresAt": END}}

        child = ok(boss.post("/organizations", body, key="k"), 201)

        acme = Organization.objects.get(name="Acme")
        assert child["id"] == acme.public_id
        (lot,) = f.grants_of(acme)
        assert (lot.amount, lot.expires_at) == (f.amounts("0.000001")[0], at("2027-01-01"))

    def test_never_outlives_what_it_came_from(self, boss: Caller) -> None:
        parent = f.make_organization()
        f.grant(parent, 5, expires_at=later(days=1))
        f.grant(parent, 5)
        body = {"name": "Acme", "openingBalance": {"credits": 10, "expiresAt": END}}

        ok(caller_of(parent).post("/organizations", body), 201)

        lots = f.grants_of(Organization.objects.get(name="Acme"))
        assert [lot.expires_at for lot in lots] == [later(days=1), at("2027-01-01")]

    def test_that_the_parent_lacks_makes_no_child(self, boss: Caller, parent: Organization) -> None:
        body = {"name": "Acme", "openingBalance": {"credits": 101}}

        assert error(boss.post("/organizations", body)) == (402, "BILLING_EXHAUSTED")
        assert not parent.children.exists()

    def test_of_a_reference_is_given_once(self, boss: Caller, parent: Organization) -> None:
        body = {"name": "Acme", "openingBalance": {"credits": 1, "reference": "order-1"}}
        ok(boss.post("/organizations", body), 201)

        assert error(boss.post("/organizations", body)) == (409, "CONFLICT")
        assert parent.children.count() == 1


@pytest.mark.race
class TestRaces:
    def test_of_one_call_by_many_makes_each_child_once(
        self, boss: Caller, parent: Organization
    ) -> None:
        sent = [whole(f"child {number}", credits=10) for number in range(4)]

        answers = together(*[lambda: results(Caller(boss.secret), *sent)] * 6)

        made = [result for told in of(list, answers) for result in told]
        assert sum(result["status"] == "created" for result in made) == 4
        assert parent.children.count() == 4
        assert f.wallet_of(parent).balance == 60
