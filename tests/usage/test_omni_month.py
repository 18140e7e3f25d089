"""A month of one customer by the Omni contract, told step by step: downgrade at 800 credits, shutoff at 1,200.

The customer has 10,000 credits, four times what it will be let use. Its work is one kind of request, of one million input tokens: 100
credits on the large model, 10 on the small one, which its provider falls back to.
"""

from datetime import datetime
from typing import Any

import pytest
import time_machine

from organizations.models import Organization, UsageProfile
from tests import factories as f
from tests.callers import Caller, caller_of, details, error, ok
from tests.callers import clock as clock
from tests.usage import omni as o
from tests.usage import people as p
from tests.usage.omni import CONTROLS, ENTITY_GROUPS, USAGE, USERS
from usage.models import AIModel, UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)

LARGE, SMALL = "omni-large", "omni-small"
PRICES = {LARGE: 100, SMALL: 10}
REQUEST = {"model": LARGE, "inputTokens": 1_000_000, "maxOutputTokens": 1}


@pytest.fixture(autouse=True)
def rate_card() -> None:
    for slug, price in PRICES.items():
        model = AIModel.objects.create(
            slug=slug,
            name=slug,
            provider="omni",
            tier=UsageProfile.Tier.EVERYDAY,
            is_fallback=slug == SMALL,
        )
        p.set_price(model, price, "input_tokens")
        p.set_price(model, 0)


class Month:
    """The customer, seen by its backend and by its administrator on a day of September."""

    def __init__(self, organization: Organization, clock: time_machine.Traveller) -> None:
        self.organization = organization
        self.clock = clock
        self.caller: Caller = caller_of(organization)

    def day(self, moment: datetime) -> None:
        self.clock.move_to(moment)

    def controls(self, **changes: Any) -> Any:
        answer = self.caller.patch(CONTROLS, changes) if changes else self.caller.get(CONTROLS)
        return ok(answer)

    def hold(self, **fields: Any) -> Any:
        return self.caller.post("/usage/reservations", {**REQUEST, **fields})

    def settle(self, held: Any, tokens: int = 1_000_000) -> Any:
        path = f"/usage/reservations/{held['id']}/settle"
        return ok(self.caller.post(path, {"inputTokens": tokens, "outputTokens": 1}))

    def work(self, **fields: Any) -> tuple[str, str, float]:
        """Do one request; return what was decided, the model that did it, and what it cost."""
        held = ok(self.hold(**fields), 201)
        done = self.settle(held)
        return held["decision"], done["effectiveModel"], done["settledCredits"]

    def used(self) -> Any:
        return self.controls()["creditsUsed"]


@pytest.fixture
def month(clock: time_machine.Traveller) -> Month:
    clock.move_to(f.at("2026-09-01"))
    organization = f.make_organization("Blob's R Us", funded=10_000, now=f.at("2026-09-01"))
    return Month(organization, clock)


class TestMonth:
    def test_is_downgraded_at_800_and_shut_off_at_1200(self, month: Month) -> None:
        # 1 September: the administrator sets both thresholds. Nothing is used yet.
        state = month.controls(downgradeCredits=800, shutoffCredits=1200)
        assert (state["downgradeCredits"], state["shutoffCredits"]) == (800, 1200)
        assert state["creditsUsed"] == 0

        # 2 September: eight requests on the large model, 100 credits each. The eighth begins at 700, below the threshold.
        month.day(f.at("2026-09-02"))
        for number in range(8):
            assert month.used() == number * 100
            assert month.work() == ("allow", LARGE, 100)
        assert month.used() == 800

        # 800 is the threshold, and reaching it is enough: the ninth runs on the small model, for 10.
        assert month.work() == ("downgrade", SMALL, 10)
        assert month.used() == 810

        # It is not refused, and an answer says which model did the work instead of which.
        held = ok(month.hold(), 201)
        assert (held["requestedModel"], held["effectiveModel"]) == (LARGE, SMALL)
        assert held["credits"] == 10
        month.settle(held)
        assert month.used() == 820

        # 10 September: the administrator turns the downgrade off. The large model works again, up to the shutoff.
        month.day(f.at("2026-09-10"))
        month.controls(downgradeCredits=None)
        for _ in range(3):
            assert month.work() == ("allow", LARGE, 100)
        assert month.used() == 1_120

        # Two requests begin at 1,120. Neither knows of the other: what is held does not count, only what is settled.
        first, second = (ok(month.hold(), 201) for _ in range(2))
        assert month.used() == 1_120
        month.settle(first)
        assert month.used() == 1_220

        # 1,220 is past the shutoff: whatever comes now is refused, also on the small model.
        for model in (LARGE, SMALL):
            refused = month.hold(model=model)
            assert error(refused) == (402, "BILLING_EXHAUSTED")
            assert details(refused)["reason"] == "shutoff"
        shutoff = details(refused)["limits"][0]
        assert (shutoff["scope"], shutoff["cap"], shutoff["used"]) == ("shutoff", 1200, 1220)
        assert details(refused)["unblocksAt"] == "2026-10-01T00:00:00.000Z"

        # The second was running: it completes, and so the shutoff is exceeded by what ran when it was reached.
        assert month.settle(second)["settledCredits"] == 100
        assert month.used() == 1_320

        # 20 September: more is allowed for the rest of the month, 1,400 in all. It is one request: 1,320 + 100 > 1,400.
        month.day(f.at("2026-09-20"))
        month.controls(shutoffCredits=1400)
        assert month.work() == ("allow", LARGE, 100)
        assert error(month.hold()) == (402, "BILLING_EXHAUSTED")

        # Without a shutoff there is none; a lower one than is used stops everything at once; 0 stops it for good.
        month.controls(shutoffCredits=None)
        assert month.work() == ("allow", LARGE, 100)
        for shutoff_now in (1520, 5, 0):
            month.controls(shutoffCredits=shutoff_now)
            assert details(month.hold())["reason"] == "shutoff"

        # Every credit was charged to the wallet, and every request is one event.
        assert month.used() == 1_520
        assert f.money_of(month.organization) == f.amounts(8_480, 0, 8_480)
        assert UsageEvent.objects.count() == 17

        # 1 October: nothing is used, so with the shutoff back at 1,200 all is as on the first day.
        month.controls(downgradeCredits=800, shutoffCredits=1200)
        month.day(f.at("2026-10-01"))
        assert month.used() == 0
        assert month.work() == ("allow", LARGE, 100)
        assert month.used() == 100

    def test_limits_users_and_entity_groups_on_the_way(self, month: Month) -> None:
        # Ana and Ben are of one embedded customer; Cho is of none. Everybody may use 250, an entity group 300.
        ana, ben, cho = (o.make_user(month.organization, name) for name in ("Ana", "Ben", "Cho"))
        o.make_entity(month.organization, "acme-corp", ana, ben)
        month.controls(userDefaultCredits=250, entityGroupDefaultCredits=300)

        # Ana does two requests, 200 credits; a third would make it 300, and she may use 250.
        for _ in range(2):
            assert month.work(actorId=ana.public_id) == ("allow", LARGE, 100)
        assert details(month.hold(actorId=ana.public_id))["reason"] == "actor_cap"

        # Ben has used nothing, but their bucket has 100 left: one request lands on it exactly, the next is refused.
        assert month.work(actorId=ben.public_id) == ("allow", LARGE, 100)
        assert details(month.hold(actorId=ben.public_id))["reason"] == "group_cap"

        # A wider bucket lets Ben go on, until he has used 200 of his own 250.
        ok(
            month.caller.patch(
                ENTITY_GROUPS, {"entityGroups": [{"entity": "acme-corp", "creditLimit": None}]}
            )
        )
        assert month.work(actorId=ben.public_id) == ("allow", LARGE, 100)
        assert details(month.hold(actorId=ben.public_id))["reason"] == "actor_cap"

        # Ana gets a limit of her own, Ben none at all, Cho nothing. A downgrade makes requests small enough to fit.
        changes = [
            {"userId": str(ana.id), "creditLimit": 210},
            {"userId": str(ben.id), "creditLimit": None},
            {"userId": str(cho.id), "creditLimit": 0},
        ]
        ok(month.caller.patch(USERS, {"users": changes}))
        month.controls(downgradeCredits=400)
        assert month.work(actorId=ana.public_id) == ("downgrade", SMALL, 10)
        assert details(month.hold(actorId=ana.public_id))["reason"] == "actor_cap"
        assert month.work(actorId=ben.public_id) == ("downgrade", SMALL, 10)
        assert details(month.hold(actorId=cho.public_id))["reason"] == "actor_cap"

        # What was used adds up: by user, by bucket, by organization.
        asked = {"userIds": [str(each.id) for each in (ana, ben, cho)]}
        users = ok(month.caller.post(f"{USAGE}/users", asked))["users"]
        assert [each["creditsUsed"] for each in users] == [210, 210, 0]
        bucket = ok(month.caller.post(f"{USAGE}/entity-groups", {"entities": ["acme-corp"]}))
        assert bucket["entityGroups"] == [{"entity": "acme-corp", "creditsUsed": 420}]
        assert month.used() == 420
