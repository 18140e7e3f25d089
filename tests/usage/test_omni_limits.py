"""Limits of users and groups: /api/v1/ai/credit-controls/{users,entity-groups,user-groups}, example by example."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import uuid4

import pytest
import time_machine

from organizations.models import Actor, Group, Organization, UsageProfile
from tests import factories as f
from tests.callers import Caller, caller_of, ok
from tests.callers import clock as clock
from tests.usage import omni as o
from tests.usage.omni import CONTROLS, NOBODY, listed, refused
from usage.models import Limit
from usage.services import controls

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def september(clock: time_machine.Traveller) -> None:
    clock.move_to(o.IN_SEPTEMBER)


@pytest.fixture
def organization() -> Organization:
    return f.make_organization(funded=10_000)


@pytest.fixture
def admin(organization: Organization) -> Caller:
    return caller_of(organization)


@dataclass(frozen=True)
class Kind:
    """One of the three lists: its path, its words, and how to make a subject of it."""

    path: str
    entries: str
    name: str
    kind: Literal["user", "entity", "team"]
    complaint: str

    def make(self, organization: Organization, key: str, **fields: Any) -> Actor | Group:
        if self.kind == "user":
            return o.make_user(organization, key, **fields)
        return o.make_group(organization, self.kind, key)

    def name_of(self, subject: Actor | Group) -> str:
        return (
            subject.key if self.kind == "entity" and isinstance(subject, Group) else str(subject.id)
        )

    def body(self, *entries: dict[str, Any]) -> dict[str, Any]:
        return {self.entries: list(entries)}

    def entry(self, subject: Actor | Group | str, **fields: Any) -> dict[str, Any]:
        name = subject if isinstance(subject, str) else self.name_of(subject)
        return {self.name: name, **fields}

    @property
    def unknown(self) -> str:
        return "nobody" if self.kind == "entity" else NOBODY


USERS = Kind(o.USERS, "users", "userId", "user", "userId {} is not a member of this organization")
ENTITIES = Kind(
    o.ENTITY_GROUPS, "entityGroups", "entity", "entity", "entity {} has no entity group"
)
TEAMS = Kind(o.USER_GROUPS, "userGroups", "userGroupId", "team", "userGroupId {} does not exist")

each_kind = pytest.mark.parametrize(
    "kind", [USERS, ENTITIES, TEAMS], ids=["users", "entity-groups", "user-groups"]
)


class TestExamples:
    def test_of_users(self, organization: Organization, admin: Caller) -> None:
        ana, ben, cho = (o.make_user(organization, name) for name in ("Ana", "Ben", "Cho"))
        ok(admin.patch(CONTROLS, {"userDefaultCredits": 100}))
        ok(admin.patch(o.USERS, {"users": [{"userId": str(cho.id), "creditLimit": 7}]}))

        body = ok(
            admin.patch(
                o.USERS,
                {
                    "users": [
                        {"userId": str(ana.id), "creditLimit": 50},
                        {"userId": str(ben.id), "creditLimit": None},
                        {"userId": str(cho.id), "useDefaultLimit": True},
                    ]
                },
            )
        )

        assert body == {
            "users": [
                {"userId": str(ana.id), "creditLimit": 50, "usesDefaultLimit": False},
                {"userId": str(ben.id), "creditLimit": None, "usesDefaultLimit": False},
                {"userId": str(cho.id), "creditLimit": 100, "usesDefaultLimit": True},
            ]
        }
        assert ok(admin.get(o.USERS)) == {
            "pageInfo": {
                "hasNextPage": False,
                "nextCursor": None,
                "pageSize": 20,
                "totalRecords": 2,
            },
            "records": [
                {"userId": str(ana.id), "creditLimit": 50},
                {"userId": str(ben.id), "creditLimit": None},
            ],
        }

    def test_of_entity_groups(self, organization: Organization, admin: Caller) -> None:
        """In the order of their ids, which is that of their making, and not of their keys."""
        for key in ("zeta", "acme-corp"):
            o.make_entity(organization, key)

        body = ok(
            admin.patch(
                o.ENTITY_GROUPS,
                {
                    "entityGroups": [
                        {"entity": "acme-corp", "creditLimit": 50},
                        {"entity": "zeta", "creditLimit": None},
                    ]
                },
            )
        )

        assert body == {
            "entityGroups": [
                {"entity": "acme-corp", "creditLimit": 50, "usesDefaultLimit": False},
                {"entity": "zeta", "creditLimit": None, "usesDefaultLimit": False},
            ]
        }
        assert listed(admin, o.ENTITY_GROUPS) == [
            {"entity": "zeta", "creditLimit": None},
            {"entity": "acme-corp", "creditLimit": 50},
        ]

    def test_of_user_groups(self, organization: Organization, admin: Caller) -> None:
        team, other = (o.make_team(organization, key) for key in ("research", "sales"))
        ok(admin.patch(CONTROLS, {"userGroupDefaultCredits": 30}))

        body = ok(
            admin.patch(
                o.USER_GROUPS,
                {
                    "userGroups": [
                        {"userGroupId": str(other.id), "creditLimit": 5.5},
                        {"userGroupId": str(team.id), "useDefaultLimit": True},
                    ]
                },
            )
        )

        assert body == {
            "userGroups": [
                {"userGroupId": str(other.id), "creditLimit": 5.5, "usesDefaultLimit": False},
                {"userGroupId": str(team.id), "creditLimit": 30, "usesDefaultLimit": True},
            ]
        }
        assert listed(admin, o.USER_GROUPS) == [{"userGroupId": str(other.id), "creditLimit": 5.5}]


class TestList:
    @each_kind
    def test_pages_by_ascending_id(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        subjects = [kind.make(organization, f"s{n}") for n in range(7)]
        entries = [kind.entry(each, creditLimit=n) for n, each in enumerate(subjects)]
        ok(admin.patch(kind.path, kind.body(*reversed(entries))))

        found, cursor = [], None
        for expected in (3, 3, 1):
            query = {"pageSize": 3} | ({"cursor": cursor} if cursor else {})
            page = ok(admin.get(kind.path, **query))
            cursor = page["pageInfo"]["nextCursor"]
            found += page["records"]
            assert len(page["records"]) == expected
            assert page["pageInfo"] == {
                "hasNextPage": cursor is not None,
                "nextCursor": cursor,
                "pageSize": 3,
                "totalRecords": 7,
            }

        assert found == entries
        assert cursor is None

    @each_kind
    def test_has_no_next_page_after_a_full_last_one(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        entries = [kind.entry(kind.make(organization, f"s{n}"), creditLimit=1) for n in range(2)]
        ok(admin.patch(kind.path, kind.body(*entries)))

        assert not ok(admin.get(kind.path, pageSize=2))["pageInfo"]["hasNextPage"]

    @each_kind
    def test_has_none_but_own_limits_of_that_kind(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        for other in {USERS, ENTITIES, TEAMS} - {kind}:
            limited = other.make(organization, "limited")
            ok(admin.patch(other.path, other.body(other.entry(limited, creditLimit=1))))
        defaults = ("userDefaultCredits", "entityGroupDefaultCredits", "userGroupDefaultCredits")
        ok(admin.patch(CONTROLS, dict.fromkeys(defaults, 1)))
        kind.make(organization, "unlimited")

        empty = {"hasNextPage": False, "nextCursor": None, "pageSize": 20, "totalRecords": 0}
        assert ok(admin.get(kind.path)) == {"pageInfo": empty, "records": []}

    @each_kind
    @pytest.mark.parametrize(
        "query",
        [
            *({"pageSize": size} for size in (0, 101, -1, "x", "1.0", "", 2**64)),
            *({"cursor": cursor} for cursor in ("", "x", "aWQ6NQ", "%00", "a" * 5_000)),
            {"limit": 5},
        ],
    )
    def test_refuses_a_bad_query(self, admin: Caller, kind: Kind, query: dict[str, Any]) -> None:
        (name,) = query

        assert refused(admin.get(kind.path, **query)).startswith(f"{name}: ")

    @each_kind
    def test_shows_nobody_elses(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        parent, child = f.make_family()
        for stranger in (parent, child):
            theirs = kind.make(stranger, "theirs")
            ok(caller_of(stranger).patch(kind.path, kind.body(kind.entry(theirs, creditLimit=1))))

        assert listed(admin, kind.path) == []
        assert len(listed(caller_of(parent), kind.path)) == 1
        assert len(listed(caller_of(parent, acting=child), kind.path)) == 1


class TestBulk:
    @each_kind
    def test_answers_in_the_order_of_the_request(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        subjects = [kind.make(organization, f"s{n}") for n in range(5)]
        asked = [subjects[n] for n in (3, 0, 4, 1, 2)]

        body = ok(
            admin.patch(kind.path, kind.body(*(kind.entry(each, creditLimit=9) for each in asked)))
        )

        assert [each[kind.name] for each in body[kind.entries]] == [
            kind.name_of(each) for each in asked
        ]

    @each_kind
    def test_sets_changes_and_removes(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        subject = kind.make(organization, "s")

        for fields, shown in (
            ({"creditLimit": 50}, [50]),
            ({"creditLimit": 0}, [0]),
            ({"creditLimit": None}, [None]),
            ({"creditLimit": 0.000001}, [0.000001]),
            ({"useDefaultLimit": True}, []),
            ({"useDefaultLimit": True}, []),
        ):
            ok(admin.patch(kind.path, kind.body(kind.entry(subject, **fields))))

            assert [each["creditLimit"] for each in listed(admin, kind.path)] == shown

    @each_kind
    def test_tells_the_history_who_and_when(self, organization: Organization, kind: Kind) -> None:
        key, secret = f.make_key(organization)
        subject = kind.make(organization, "s")
        for fields in (
            {"creditLimit": 5},
            {"creditLimit": 5},
            {"creditLimit": None},
            {"useDefaultLimit": True},
        ):
            ok(Caller(secret).patch(kind.path, kind.body(kind.entry(subject, **fields))))

        told = Limit.history.order_by("history_id").values_list(
            "history_type", "cap", "history_change_reason", "history_date"
        )

        assert list(told) == [
            ("+", Decimal(5), key.public_id, o.IN_SEPTEMBER),
            ("~", None, key.public_id, o.IN_SEPTEMBER),
            ("-", None, key.public_id, o.IN_SEPTEMBER),
        ]

    @pytest.mark.parametrize(("kind", "prefix"), [(USERS, "act"), (TEAMS, "grp")])
    def test_reads_ids_with_their_prefix_and_writes_them_bare(
        self, organization: Organization, admin: Caller, kind: Kind, prefix: str
    ) -> None:
        subject = kind.make(organization, "s")

        (told,) = ok(
            admin.patch(kind.path, kind.body(kind.entry(subject.public_id, creditLimit=1)))
        )[kind.entries]

        assert subject.public_id == f"{prefix}_{told[kind.name]}"

    @each_kind
    def test_takes_a_thousand(self, organization: Organization, admin: Caller, kind: Kind) -> None:
        subjects = make_many(organization, kind, 1_000)
        names = [kind.name_of(each) for each in subjects]
        body = kind.body(*(kind.entry(name, creditLimit=n) for n, name in enumerate(names)))

        told = ok(admin.patch(kind.path, body))[kind.entries]

        assert [each["creditLimit"] for each in told] == list(range(1_000))
        again = [kind.entry(name, useDefaultLimit=True) for name in names]
        ok(admin.patch(kind.path, kind.body(*again)))
        assert Limit.objects.count() == 0

    @each_kind
    def test_is_done_once_for_one_key(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        subject = kind.make(organization, "s")
        body = kind.body(kind.entry(subject, creditLimit=1))
        first = admin.patch(kind.path, body, key="k-1")
        ok(admin.patch(kind.path, kind.body(kind.entry(subject, creditLimit=2))))

        again = admin.patch(kind.path, body, key="k-1")

        assert again.content == first.content
        assert listed(admin, kind.path)[0]["creditLimit"] == 2


class TestNothingChanges:
    """A bulk change that is wrong anywhere names the first thing that is wrong, and does nothing."""

    @pytest.fixture(autouse=True)
    def unchanged(self, organization: Organization, request: pytest.FixtureRequest) -> Any:
        yield
        assert not Limit.objects.exists()
        assert not Limit.history.exists()

    @each_kind
    def test_when_some_do_not_exist(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        mine = kind.make(organization, "mine")
        theirs = kind.make(f.make_organization("Stranger"), "theirs")
        unknown = [kind.entry(name, creditLimit=1) for name in (kind.unknown, str(uuid4()))]
        foreign = kind.entry(theirs, creditLimit=1)
        good = kind.entry(mine, creditLimit=1)

        for entries, first in (
            ([good, *unknown, foreign], unknown[0]),
            ([good, *reversed(unknown), foreign], unknown[1]),
            ([foreign, good, *unknown], foreign),
        ):
            said = refused(admin.patch(kind.path, kind.body(*entries)), 404)

            assert said == kind.complaint.format(first[kind.name])

    @pytest.mark.parametrize(("kind", "other"), [(ENTITIES, "team"), (TEAMS, "entity")])
    def test_when_a_group_is_of_the_other_kind(
        self, organization: Organization, admin: Caller, kind: Kind, other: str
    ) -> None:
        group = o.make_group(organization, other, "mine")

        refused(admin.patch(kind.path, kind.body(kind.entry(group, creditLimit=1))), 404)

    @each_kind
    def test_when_one_is_named_twice(
        self, organization: Organization, admin: Caller, kind: Kind
    ) -> None:
        first, second = (kind.make(organization, key) for key in "ab")
        entries = [
            kind.entry(first, creditLimit=1),
            kind.entry(second, creditLimit=2),
            kind.entry(second.public_id if kind is not ENTITIES else second, creditLimit=2),
            kind.entry(first, useDefaultLimit=True),
        ]

        said = refused(admin.patch(kind.path, kind.body(*entries)))

        assert said == f"{kind.entries}: {kind.name_of(second)} is given twice."

    @each_kind
    @pytest.mark.parametrize(
        ("fields", "complaint"),
        [
            ({}, "creditLimit: Exactly one of creditLimit and useDefaultLimit is required."),
            (
                {"creditLimit": 5, "useDefaultLimit": True},
                "creditLimit: Exactly one of creditLimit and useDefaultLimit is required.",
            ),
            (
                {"creditLimit": None, "useDefaultLimit": True},
                "creditLimit: Exactly one of creditLimit and useDefaultLimit is required.",
            ),
            ({"useDefaultLimit": False}, "useDefaultLimit: Only true is allowed."),
            ({"useDefaultLimit": None}, "useDefaultLimit: This field may not be null."),
            ({"useDefaultLimit": 1}, "useDefaultLimit: Must be a valid boolean."),
            ({"creditLimit": -1}, "creditLimit: Ensure this value is greater than or equal to 0."),
            ({"creditLimit": "5"}, "creditLimit: A valid number is required."),
            ({"creditLimit": True}, "creditLimit: A valid number is required."),
            ({"creditLimit": 1, "nobody": 1}, "nobody: This field is not known here."),
        ],
    )
    def test_when_an_entry_is_wrong(
        self,
        organization: Organization,
        admin: Caller,
        kind: Kind,
        fields: dict[str, Any],
        complaint: str,
    ) -> None:
        good, bad = (kind.make(organization, key) for key in "ab")
        entries = [
            kind.entry(good, creditLimit=1),
            kind.entry(bad, **fields),
            kind.entry(kind.unknown, creditLimit=-1),
        ]

        said = refused(admin.patch(kind.path, kind.body(*entries)))

        assert said == f"{kind.entries}.1 ({kind.name_of(bad)}).{complaint}"

    @each_kind
    @pytest.mark.parametrize("name", [None, 5, True, "", [], {}, "\x00", "a" * 129])
    def test_when_a_name_is_none(self, admin: Caller, kind: Kind, name: Any) -> None:
        refused(admin.patch(kind.path, kind.body({kind.name: name, "creditLimit": 1})))

    @each_kind
    def test_when_there_are_none_or_too_many(self, admin: Caller, kind: Kind) -> None:
        many = [kind.entry(str(uuid4()), creditLimit=1) for _ in range(1_001)]

        for body, complaint in (
            (kind.body(), f"{kind.entries}: This list may not be empty."),
            (kind.body(*many), f"{kind.entries}: At most 1000 entries are allowed."),
            ({kind.entries: None}, f"{kind.entries}: This field may not be null."),
            ({kind.entries: {}}, f'{kind.entries}: Expected a list of items but got type "dict".'),
            ({kind.entries: [5]}, f"{kind.entries}.0: Invalid data."),
            ({}, f"{kind.entries}: This field is required."),
            ({**kind.body(*many[:1]), "nobody": 1}, "nobody: This field is not known here."),
        ):
            assert refused(admin.patch(kind.path, body)).startswith(complaint)

    @each_kind
    def test_when_a_million_are_sent(self, admin: Caller, kind: Kind) -> None:
        text = '{{"{}":[{}0]}}'.format(kind.entries, "0," * 1_000_000)
        answer = admin.client.generic(
            "PATCH", f"/api/v1{kind.path}", text, content_type="application/json"
        )

        assert refused(answer) == f"{kind.entries}: At most 1000 entries are allowed."


class TestEffect:
    def test_an_own_limit_comes_first(self, organization: Organization, admin: Caller) -> None:
        ana = o.make_user(organization)
        team = o.make_team(organization, "research", ana)
        ok(admin.patch(o.USER_GROUPS, TEAMS.body(TEAMS.entry(team, creditLimit=500))))
        ok(admin.patch(o.USERS, USERS.body(USERS.entry(ana, creditLimit=5))))

        assert o.reason(o.ask(organization, 6, actor=ana)) == "actor_cap"
        o.spend(organization, 5, actor=ana)

    def test_zero_is_nothing_and_null_is_no_limit(
        self, organization: Organization, admin: Caller
    ) -> None:
        ana, ben = (o.make_user(organization, name) for name in ("Ana", "Ben"))
        entries = [USERS.entry(ana, creditLimit=0), USERS.entry(ben, creditLimit=None)]
        ok(admin.patch(o.USERS, USERS.body(*entries)))

        assert o.reason(o.ask(organization, "0.000001", actor=ana)) == "actor_cap"
        o.spend(organization, 9_000, actor=ben)

    def test_a_user_group_limits_each_member(
        self, organization: Organization, admin: Caller
    ) -> None:
        ana, ben = (o.make_user(organization, name) for name in ("Ana", "Ben"))
        team = o.make_team(organization, "research", ana, ben)
        ok(admin.patch(o.USER_GROUPS, TEAMS.body(TEAMS.entry(team, creditLimit=50))))

        for member in (ana, ben):
            o.spend(organization, 50, actor=member)
            assert o.reason(o.ask(organization, 1, actor=member)) == "actor_cap"

    def test_the_most_permissive_group_decides(
        self, organization: Organization, admin: Caller
    ) -> None:
        ana = o.make_user(organization)
        narrow, wide = (o.make_team(organization, key, ana) for key in ("narrow", "wide"))
        entries = [TEAMS.entry(narrow, creditLimit=5), TEAMS.entry(wide, creditLimit=50)]
        ok(admin.patch(o.USER_GROUPS, TEAMS.body(*entries)))

        (told,) = ok(admin.patch(o.USERS, USERS.body(USERS.entry(ana, useDefaultLimit=True))))[
            "users"
        ]

        assert told == USERS.entry(ana, creditLimit=50, usesDefaultLimit=True)
        o.spend(organization, 50, actor=ana)

    def test_an_entity_group_is_one_bucket(self, organization: Organization, admin: Caller) -> None:
        ana, ben = (o.make_user(organization, name) for name in ("Ana", "Ben"))
        o.make_entity(organization, "acme-corp", ana, ben)
        ok(admin.patch(o.ENTITY_GROUPS, ENTITIES.body(ENTITIES.entry("acme-corp", creditLimit=50))))

        o.spend(organization, 30, actor=ana)

        assert o.reason(o.ask(organization, 21, actor=ben)) == "group_cap"
        o.spend(organization, 20, actor=ben)

    def test_a_group_without_any_limit_of_its_own_says_what_its_profile_gives(
        self, organization: Organization, admin: Caller
    ) -> None:
        standard = UsageProfile.objects.get(organization=None, slug=UsageProfile.STANDARD)
        with_profile = o.make_team(organization, "with", profile=standard)
        without = o.make_team(organization, "without")
        entries = [TEAMS.entry(each, useDefaultLimit=True) for each in (with_profile, without)]

        told = ok(admin.patch(o.USER_GROUPS, TEAMS.body(*entries)))["userGroups"]

        assert [each["creditLimit"] for each in told] == [5000, None]


class TestService:
    def test_refuses_an_archived_organization(self, organization: Organization) -> None:
        ana = o.make_user(organization)
        f.archive(organization)

        with pytest.raises(Exception, match="archived"):
            controls.limit_users(
                organization=organization,
                changes={ana.id: controls.NewLimit(Decimal(1))},
                performed_by=f.STAFF,
                now=o.IN_SEPTEMBER,
            )

        assert not Limit.objects.exists()


def make_many(organization: Organization, kind: Kind, count: int) -> list[Actor] | list[Group]:
    """Make as many subjects in one go."""
    made = {"organization": organization, "created_at": f.NOW, "updated_at": f.NOW}
    if kind.kind == "user":
        return Actor.objects.bulk_create([Actor(name=f"s{n}", **made) for n in range(count)])
    rows = [Group(kind=kind.kind, key=f"s{n}", name="s", **made) for n in range(count)]
    return Group.objects.bulk_create(rows)
