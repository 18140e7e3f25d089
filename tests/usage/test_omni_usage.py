"""What users and groups used: POST /api/v1/ai/credit-usage/{users,entity-groups,user-groups}, example by example."""

from typing import Any

import pytest
import time_machine

from organizations.models import IdempotencyKey, Organization
from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.usage import omni as o
from tests.usage.omni import NOBODY, SEPTEMBER, USAGE, refused
from tests.usage.test_omni_limits import ENTITIES, TEAMS, USERS, Kind, each_kind, make_many
from usage.services import groups

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = {"user": "userIds", "entity": "entities", "team": "userGroupIds"}
AUGUST = {"periodStart": 1785542400000, "periodEnd": 1788220800000}


def path_of(kind: Kind) -> str:
    return f"{USAGE}/{kind.path.rpartition('/')[2]}"


def body_of(kind: Kind, *names: Any, **fields: Any) -> dict[str, Any]:
    return {ASKED[kind.kind]: list(names), **fields}


@pytest.fixture(autouse=True)
def september(clock: time_machine.Traveller) -> None:
    clock.move_to(o.IN_SEPTEMBER)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=10_000)


@pytest.fixture
def admin(organization: Organization) -> Caller:
    return caller_of(organization)


class TestUsers:
    def test_answers_the_example(self, organization: Organization, admin: Caller) -> None:
        ana, ben, cho = (o.make_user(organization, name) for name in ("Ana", "Ben", "Cho"))
        o.spend(organization, "12.5", actor=ana)
        o.spend(organization, 40, actor=ana)
        o.spend(organization, 7, actor=ben)
        o.spend(organization, 100)

        body = ok(
            admin.post(f"{USAGE}/users", {"userIds": [str(each.id) for each in (cho, ana, ben)]})
        )

        assert body == {
            **SEPTEMBER,
            "users": [
                {"userId": str(cho.id), "creditsUsed": 0},
                {"userId": str(ana.id), "creditsUsed": 52.5},
                {"userId": str(ben.id), "creditsUsed": 7},
            ],
        }

    def test_counts_this_month_and_settled_work_only(
        self, organization: Organization, admin: Caller, clock: time_machine.Traveller
    ) -> None:
        ana = o.make_user(organization)
        o.spend(organization, 5, actor=ana, now=f.at("2026-08-31 23:59:59.999999"))
        o.spend(organization, 3, actor=ana, now=f.at("2026-09-01"))
        o.ask(organization, 100, actor=ana)
        asked = {"userIds": [ana.public_id]}

        assert ok(admin.post(f"{USAGE}/users", asked))["users"][0]["creditsUsed"] == 3

        clock.move_to(f.at("2026-10-01"))
        october = ok(admin.post(f"{USAGE}/users", asked))
        assert october["users"][0]["creditsUsed"] == 0
        assert october["periodStart"] == SEPTEMBER["periodEnd"]


class TestEntityGroups:
    def test_answers_the_example(self, organization: Organization, admin: Caller) -> None:
        ana, ben = (o.make_user(organization, name) for name in ("Ana", "Ben"))
        o.make_entity(organization, "acme-corp", ana, ben)
        o.make_entity(organization, "idle")
        o.spend(organization, 30, actor=ana)
        o.spend(organization, "0.5", actor=ben)

        body = ok(admin.post(f"{USAGE}/entity-groups", {"entities": ["idle", "acme-corp"]}))

        assert body == {
            **SEPTEMBER,
            "entityGroups": [
                {"entity": "idle", "creditsUsed": 0},
                {"entity": "acme-corp", "creditsUsed": 30.5},
            ],
        }

    def test_keeps_what_was_drawn_by_who_left(
        self, organization: Organization, admin: Caller
    ) -> None:
        ana = o.make_user(organization)
        group = o.make_entity(organization, "acme-corp", ana)
        o.spend(organization, 30, actor=ana)
        groups.remove_member(group=group, actor=ana)
        o.spend(organization, 5, actor=ana)

        (told,) = ok(admin.post(f"{USAGE}/entity-groups", {"entities": ["acme-corp"]}))[
            "entityGroups"
        ]

        assert told["creditsUsed"] == 30


class TestUserGroups:
    def test_sums_what_the_present_members_used(
        self, organization: Organization, admin: Caller
    ) -> None:
        """Somebody in two groups counts in both, so that groups may sum to more than there was."""
        ana, ben, cho = (o.make_user(organization, name) for name in ("Ana", "Ben", "Cho"))
        research = o.make_team(organization, "research", ana, ben, cho)
        sales = o.make_team(organization, "sales", ana)
        idle = o.make_team(organization, "idle")
        o.spend(organization, 30, actor=ana)
        o.spend(organization, "2.5", actor=ben)
        o.spend(organization, 100, actor=cho)
        groups.remove_member(group=research, actor=cho)
        asked = [str(each.id) for each in (idle, sales, research)]

        body = ok(admin.post(f"{USAGE}/user-groups", {"userGroupIds": asked}))

        assert body == {
            **SEPTEMBER,
            "userGroups": [
                {"userGroupId": str(idle.id), "creditsUsed": 0},
                {"userGroupId": str(sales.id), "creditsUsed": 30},
                {"userGroupId": str(research.id), "creditsUsed": 32.5},
            ],
        }

    def test_tells_any_month_that_has_begun(
        self, organization: Organization, admin: Caller
    ) -> None:
        ana = o.make_user(organization)
        team = o.make_team(organization, "research", ana)
        o.spend(organization, 5, actor=ana, now=f.at("2026-08-31 23:59:59.999999"))
        o.spend(organization, 3, actor=ana)

        for period, month, amount in (
            ("2026-08", AUGUST, 5),
            ("2026-09", SEPTEMBER, 3),
            ("2000-01", {"periodStart": 946684800000, "periodEnd": 949363200000}, 0),
        ):
            told = ok(
                admin.post(f"{USAGE}/user-groups", body_of(TEAMS, team.public_id, period=period))
            )
            assert told == {
                **month,
                "userGroups": [{"userGroupId": str(team.id), "creditsUsed": amount}],
            }

    @pytest.mark.parametrize("period", ["2026-10", "2027-01", "2099-12"])
    def test_refuses_a_month_that_has_not_begun(
        self, organization: Organization, admin: Caller, period: str
    ) -> None:
        team = o.make_team(organization, "research")

        answer = admin.post(f"{USAGE}/user-groups", body_of(TEAMS, team.public_id, period=period))

        assert refused(answer) == "period: This month has not begun."

    @pytest.mark.parametrize(
        "period",
        [
            *("", "2026", "2026-9", "2026-00", "2026-13", "1999-12", "2100-01", "2026-09-01"),
            *("2026-09\n", " 2026-09", "2026/09", "２０２６-09", "20٢6-09", "now", "\x00"),
            *(None, 202609, 2026.09, True, [], {}, ["2026-09"]),
        ],
    )
    def test_refuses_what_is_no_month(
        self, organization: Organization, admin: Caller, period: Any
    ) -> None:
        team = o.make_team(organization, "research")

        refused(admin.post(f"{USAGE}/user-groups", body_of(TEAMS, team.public_id, period=period)))

    @pytest.mark.parametrize("kind", [USERS, ENTITIES], ids=["users", "entity-groups"])
    def test_is_alone_in_taking_a_month(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        name = kind.name_of(kind.make(organization, "s"))

        answer = admin.post(path_of(kind), body_of(kind, name, period="2026-09"))

        assert refused(answer) == "period: This field is not known here."


class TestEvery:
    @each_kind
    def test_takes_a_thousand(self, organization: Organization, admin: Caller, kind: Kind) -> None:
        names = [kind.name_of(each) for each in make_many(organization, kind, 1_000)][::-1]

        told = ok(admin.post(path_of(kind), body_of(kind, *names)))[kind.entries]

        assert told == [{kind.name: name, "creditsUsed": 0} for name in names]

    @each_kind
    def test_fails_as_a_whole(self, organization: Organization, admin: Caller, kind: Kind) -> None:
        mine = kind.name_of(kind.make(organization, "mine"))
        theirs = kind.name_of(kind.make(f.make_organization("Stranger"), "theirs"))
        asked = ASKED[kind.kind]
        unknown = kind.unknown

        for names, status, complaint in (
            ([mine, theirs, unknown], 404, kind.complaint.format(theirs)),
            ([unknown, mine, theirs], 404, kind.complaint.format(unknown)),
            ([mine, unknown, mine], 400, f"{asked}: {mine} is given twice."),
            ([], 400, f"{asked}: This list may not be empty."),
            ([f"x{n}" for n in range(1_001)], 400, f"{asked}: At most 1000 entries are allowed."),
        ):
            answer = admin.post(path_of(kind), body_of(kind, *names))

            assert refused(answer, status) == complaint

    @each_kind
    @pytest.mark.parametrize("name", [None, 5, True, "", [], {}, "\x00", "a" * 129])
    def test_refuses_what_is_no_name(
        self, organization: Organization, admin: Caller, kind: Kind, name: Any
    ) -> None:
        mine = kind.name_of(kind.make(organization, "mine"))

        said = refused(admin.post(path_of(kind), body_of(kind, mine, name)))

        # A NUL is refused before anybody asks what it is for.
        assert said.startswith(f"{ASKED[kind.kind]}.1: " if name != "\x00" else "body: ")

    @each_kind
    def test_refuses_a_body_without_its_list(self, admin: Caller, kind: Kind) -> None:
        asked = ASKED[kind.kind]

        assert refused(admin.post(path_of(kind), {})) == f"{asked}: This field is required."
        assert refused(admin.post(path_of(kind), {asked: NOBODY})).startswith(f"{asked}: ")
        refused(admin.post(path_of(kind)))

    @each_kind
    def test_ignores_an_idempotency_key(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        """It only reads: asked again, it tells what is so by then."""
        first, second = (kind.name_of(kind.make(organization, key)) for key in "ab")

        for name in (first, second):
            told = ok(admin.post(path_of(kind), body_of(kind, name), key="k-1"))
            assert told[kind.entries][0][kind.name] == name

        assert not IdempotencyKey.objects.exists()
