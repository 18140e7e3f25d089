"""GET /api/v1/credits/forecast: the same answer as on the pages, to whoever may read credits."""

from datetime import datetime

import pytest

from credits.ledger import open_period
from organizations import moments
from tests import factories as f
from tests.callers import caller_of, details, error, ok
from tests.callers import clock as clock
from tests.usage.test_outlook import START, foreseen, grown, use_daily
from usage.services import rollups

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
            "pool": {
                "state": "foreseen",
                "earliest": written(outlook.pool.earliest),
                "likely": written(outlook.pool.likely),
                "latest": written(outlook.pool.latest),
                "words": outlook.pool.words,
            },
            "cap": None,
        }

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
