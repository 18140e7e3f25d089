"""Forgetting old idempotency keys."""

from datetime import UTC, datetime, timedelta

import pytest

from organizations import idempotency
from organizations.models import IdempotencyKey
from tests.organizations.people import organization

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


class TestPrune:
    def test_forgets_keys_from_their_24th_hour_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(idempotency, "PRUNE_BATCH", 2)
        acme = organization()
        ages = [DAY * 9, DAY * 2, DAY, DAY - timedelta(microseconds=1), timedelta(0)]
        for number, age in enumerate(ages):
            IdempotencyKey.objects.create(
                organization=acme,
                key=f"k{number}",
                fingerprint=b"f",
                status_code=200,
                body="{}",
                created_at=NOW - age,
            )

        forgotten = idempotency.prune(now=NOW)

        assert forgotten == 3
        assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"k3", "k4"}
        assert idempotency.prune(now=NOW) == 0
