"""Administrators who change the same controls at the same moment."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from organizations.models import Group, Organization
from tests import factories as f
from tests.races.threads import of, together
from tests.usage import omni as o
from usage.models import Limit, Thresholds
from usage.services import controls, groups
from usage.services.controls import Controls, DowngradeAboveShutoff, Effective, NewLimit
from usage.services.subjects import UnknownSubject

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def organization() -> Organization:
    return f.make_organization()


def set_threshold(organization: Organization, **changes: int) -> Callable[[], Controls]:
    exact = {name: Decimal(value) for name, value in changes.items()}
    return lambda: controls.update_controls(
        organization=organization, changes=exact, performed_by=f.KEY, now=f.NOW
    )


class TestUpdateControls:
    def test_never_leaves_the_downgrade_above_the_shutoff(self, organization: Organization) -> None:
        """Each change alone is fine with what was there before both; together they are not."""
        for _ in range(15):
            set_threshold(organization, downgrade=100, shutoff=1_000)()

            outcomes = together(
                set_threshold(organization, downgrade=900),
                set_threshold(organization, shutoff=200),
            )

            assert len(of(Controls, outcomes)) == 1
            assert len(of(DowngradeAboveShutoff, outcomes)) == 1
            now = Thresholds.objects.get(organization=organization)
            left = now.downgrade, now.shutoff
            assert left in [f.amounts(900, 1_000), f.amounts(100, 200)]

    def test_makes_one_row_of_many_first_changes(self, organization: Organization) -> None:
        outcomes = together(
            *(set_threshold(organization, shutoff=n, user_default=n) for n in range(8))
        )

        assert len(of(Controls, outcomes)) == 8
        limit = Limit.objects.get(organization=organization)
        assert limit.cap == Thresholds.objects.get(organization=organization).shutoff


class TestLimitUserGroups:
    def test_is_all_or_nothing_beside_a_deletion(self, organization: Organization) -> None:
        """A group that goes meanwhile is limited before, or named as unknown after; never half of each."""
        for number in range(15):
            kept, gone = (o.make_team(organization, f"{key}{number}") for key in ("a", "b"))

            def limit(ids: tuple[Group, Group] = (kept, gone)) -> list[Effective]:
                return controls.limit_user_groups(
                    organization=organization,
                    changes={group.id: NewLimit(Decimal(5)) for group in ids},
                    performed_by=f.KEY,
                    now=f.NOW,
                )

            def delete(group: Group = gone) -> None:
                groups.delete_group(group=group)

            limited, deleted = together(limit, delete)

            assert deleted is None
            assert isinstance(limited, list | UnknownSubject), limited
            assert kept.limits.exists() == isinstance(limited, list)
            assert not Group.objects.filter(name=f"b{number}").exists()
