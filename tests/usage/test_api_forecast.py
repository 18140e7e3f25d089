"""GET /api/v1/credits/forecast: the same answer as on the pages, to whoever may read credits."""

from datetime import datetime

import pytest

from credits.ledger import open_period
from organizations import moments
from organizations.models import Actor, Organization
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.usage import people as p
from tests.usage.test_outlook import DAY, KNOWN, START, foreseen, grown, use_daily
from usage.services import rollups
from usage.services.limit_forecasts import limit_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]

FORECAST = "/credits/forecast"


def written(moment: datetime | None) -> str:
    assert moment is not None
    return moments.write(moment)


class TestGetCreditForecast:
    def test_says_what_the_pages_say(self) -> None:
        organization = grown(500)
        outlook = foreseen(organization)

        assert ok(caller_of(organization).get(FORECAST)) == {
            "organizationId": organization.public_id,
            "horizonDays": 90,
            "knownDays": 20,
            "creditsPerDay": 10,
            "actorId": None,
            "groupId": None,
            "pool": {
                "state": "foreseen",
                "earliest": written(outlook.pool.earliest),
                "likely": written(outlook.pool.likely),
                "latest": written(outlook.pool.latest),
                "words": outlook.pool.words,
            },
            "overdraft": None,
            "cap": None,
            "limit": None,
        }

    def test_says_when_an_overdraft_is_used_up_too(self) -> None:
        organization = grown(500, overdraft_limit=50)

        answer = ok(caller_of(organization).get(FORECAST))

        found = foreseen(organization).overdraft
        assert found is not None
        assert answer["overdraft"]["likely"] == written(found.likely)
        assert answer["pool"]["likely"] < answer["overdraft"]["likely"]
        assert answer["overdraft"]["words"].startswith("Work is refused for want of credits in ")

    def test_tells_no_key_of_a_child_what_its_parent_set(self) -> None:
        parent = f.make_organization(now=START)
        child = f.make_organization(parent=parent, funded=500, now=START, overdraft_limit=77)
        use_daily(child)

        own = ok(caller_of(child).get(FORECAST))
        shown = ok(caller_of(parent, acting=child).get(FORECAST))

        assert own["overdraft"] is None
        assert "77" not in own["pool"]["words"]
        assert shown["overdraft"]["state"] == "foreseen"
        assert (
            shown["pool"]["words"]
            == f"{own['pool']['words']} From then on work makes debt, up to 77 credits."
        )

    def test_looks_as_far_as_is_asked(self) -> None:
        answer = ok(caller_of(grown(500)).get(FORECAST, horizonDays=7))

        assert answer["horizonDays"] == 7
        assert answer["pool"] == {
            "state": "not_within",
            "earliest": None,
            "likely": None,
            "latest": None,
            "words": "The credits are not used up within 7 days.",
        }

    @pytest.mark.parametrize("days", [0, 367, "x", "1.5", ""])
    def test_refuses_a_horizon_that_is_none(self, days: object) -> None:
        answer = caller_of(f.make_organization()).get(FORECAST, horizonDays=days)

        assert error(answer) == (422, "VALIDATION")
        assert "horizonDays" in str(details(answer))

    def test_says_when_the_cap_is_reached_to_who_is_not_below_somebody(self) -> None:
        parent = f.make_organization(now=START)
        child = f.make_organization(parent=parent, funded=10_000, now=START)
        use_daily(child)
        f.set_terms(child, monthly_cap=open_period(f.wallet_of(child)).used + 50)

        assert ok(caller_of(child).get(FORECAST))["cap"] is None
        shown = ok(caller_of(parent, acting=child).get(FORECAST))["cap"]
        assert shown["state"] == "foreseen"
        assert shown["words"].startswith("The cap is reached in ")

    def test_is_for_who_may_read_credits(self) -> None:
        caller = caller_of(f.make_organization(), "usage:write")

        assert error(caller.get(FORECAST)) == (403, "FORBIDDEN_SCOPE")

    def test_asks_for_patience_while_much_is_not_added_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        organization = grown(500)
        monkeypatch.setattr(rollups, "TAIL", 0)

        assert error(caller_of(organization).get(FORECAST)) == (503, "UNAVAILABLE")


def spender(organization: Organization, cap: f.Amount | None, a_day: int = 10) -> Actor:
    """Return a person who used so much on each of the last twenty days, with a limit that leaves so much of this month."""
    actor = p.make_actor(organization, "Ada", external_id="ada", now=START)
    for back in range(KNOWN - 1, 0, -1):
        now = f.NOW - back * DAY
        p.use(p.work(organization, a_day, actor=actor), a_day, now=now)
    if cap is not None:
        p.limit(organization, cap, "actor", actor=actor)
    return actor


class TestOfALimit:
    @pytest.fixture
    def organization(self) -> Organization:
        return f.make_organization(funded=100_000, now=START)

    def test_says_when_an_actor_reaches_it(self, organization: Organization) -> None:
        ada = spender(organization, 140)
        outlook = limit_of(ada, now=f.NOW)

        answer = ok(caller_of(organization).get(FORECAST, actorId=ada.public_id))

        assert outlook.limit is not None
        assert answer == {
            "organizationId": organization.public_id,
            "horizonDays": 90,
            "knownDays": 20,
            "creditsPerDay": 10,
            "actorId": ada.public_id,
            "groupId": None,
            "pool": None,
            "overdraft": None,
            "cap": None,
            "limit": {
                "state": "foreseen",
                "earliest": written(outlook.limit.earliest),
                "likely": written(outlook.limit.likely),
                "latest": written(outlook.limit.latest),
                "words": outlook.limit.words,
            },
        }
        by_name = caller_of(organization).get(FORECAST, actorExternalId="ada")
        assert ok(by_name) == answer

    def test_says_when_an_entity_group_has_used_it(self, organization: Organization) -> None:
        group = p.make_group(organization, "sales", kind="entity")
        ada = spender(organization, None)

        answer = ok(caller_of(organization).get(FORECAST, groupId=group.public_id))

        assert (answer["groupId"], answer["limit"]) == (group.public_id, None)
        assert ada.organization == organization

    def test_is_told_to_a_personal_key_of_its_own_actor_only(
        self, organization: Organization
    ) -> None:
        ada, ben = spender(organization, 140), p.make_actor(organization, "Ben")
        group = p.make_group(organization, "sales", kind="entity")
        caller = Caller(f.make_key(organization, scopes=("usage:read",), actor=ada)[1])

        unsaid, said = caller.get(FORECAST), caller.get(FORECAST, actorId=ada.public_id)

        assert ok(unsaid) == ok(said)
        assert ok(unsaid)["actorId"] == ada.public_id
        for other in (
            {"actorId": ben.public_id},
            {"actorExternalId": "ben"},
            {"groupId": group.public_id},
        ):
            assert error(caller.get(FORECAST, **other)) == (403, "FORBIDDEN_SCOPE"), other

    def test_is_no_way_to_the_pool_for_who_may_not_read_credits(
        self, organization: Organization
    ) -> None:
        ada = spender(organization, 140)
        caller = caller_of(organization, "usage:read")

        assert ok(caller.get(FORECAST, actorId=ada.public_id))["pool"] is None
        assert error(caller.get(FORECAST)) == (403, "FORBIDDEN_SCOPE")

    def test_of_somebody_else_is_unknown(self, organization: Organization) -> None:
        other = f.make_organization("Other")
        stranger = p.make_actor(other, "Eve")
        group = p.make_group(other, "sales", kind="entity")
        caller = caller_of(organization)

        assert error(caller.get(FORECAST, actorId=stranger.public_id))[0] == 404
        assert error(caller.get(FORECAST, actorExternalId="eve"))[0] == 404
        assert error(caller.get(FORECAST, groupId=group.public_id))[0] == 404

    def test_is_of_one(self, organization: Organization) -> None:
        ada = spender(organization, 140)
        group = p.make_group(organization, "sales", kind="entity")
        named = {"actorId": ada.public_id, "groupId": group.public_id}

        answer = caller_of(organization).get(FORECAST, **named)

        assert error(answer) == (422, "VALIDATION")
        assert "groupId" in str(details(answer))
