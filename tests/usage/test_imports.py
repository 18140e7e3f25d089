"""What each kind of rows makes, what it finds there already, and that everything that is wrong is told by its row and column."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from credits.models import Grant, LedgerEntry
from credits.services import create_actor
from organizations import tokens
from organizations.models import Actor, ApiKey, ImportRow, Organization, UsageProfile
from tests import factories as f
from tests.usage import people as p
from tests.usage.bringing import carried_out, looked_at, parts, states, work, wrong
from usage.models import Limit, UsageEvent
from usage.services import groups, imports, limits

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = "No organization without a parent has this external id."


@pytest.fixture
def acme() -> Organization:
    return f.make_organization(name="Acme", external_id="acme")


def person(organization: Organization, **fields: Any) -> Actor:
    return create_actor(organization=organization, now=f.NOW, **fields)


class TestCustomers:
    FILE = (
        "external_id;name;parent;allowance;monthly_cap;term;anchored_on;first_term_full\n"
        "berlin;Berlin office;holding;;;;;\n"
        "holding;Holding;;1000;500.5;month;2026-05-01;yes\n"
    )

    def test_are_made_with_their_terms_and_parents_before_their_children(self) -> None:
        whole = carried_out("customers", self.FILE)

        holding = Organization.objects.get(external_id="holding")
        berlin = Organization.objects.get(external_id="berlin")
        assert (holding.name, holding.parent, berlin.parent) == ("Holding", None, holding)
        assert f.wallet_of(holding).balance == 1000
        assert f.wallet_of(holding).config.monthly_cap == Decimal("500.5")
        assert parts(whole) == [
            ("holding", "done", "1 customer"),
            ("holding / berlin", "done", "1 customer"),
        ]
        assert [row.made for row in whole.row_set.order_by("number")] == [
            berlin.public_id,
            holding.public_id,
        ]

    def test_that_are_there_are_left_as_they_are(self) -> None:
        carried_out("customers", self.FILE)

        again = carried_out("customers", self.FILE)

        assert Organization.objects.count() == 2
        assert states(again) == ["there", "there"]

    def test_keep_who_made_them_and_why(self) -> None:
        carried_out("customers", self.FILE)

        history = Organization.history.get(external_id="holding")
        assert (history.history_change_reason, history.history_why) == (f.STAFF, "a move")

    def test_nothing_is_made_before_somebody_starts_it(self) -> None:
        whole = looked_at("customers", self.FILE)

        assert Organization.objects.count() == 0
        assert parts(whole)[0] == ("holding", "ready", "1 customer")
        assert states(whole) == ["new", "new"]

    def test_that_are_wrong_are_told_by_row_and_column(self, acme: Organization) -> None:
        child = f.make_organization(parent=acme, name="Child")
        whole = looked_at(
            "customers",
            "external_id,name,parent,billing_email,allowance,term,anchored_on,first_term_full,seat_limit\n"
            "acme,Another,,,,,,,\n"
            ",Nameless,,,,,,,\n"
            "a,,,,,,,,\n"
            "b,B,nowhere,,,,,,\n"
            f"c,C,{child.public_id},,,,,,\n"
            'd,D,,not-an-address,"1,5",week,2026-02-30,perhaps,-1\n'
            "e,E,,,,,,,\n"
            "e,E again,,,,,,,\n",
        )

        assert wrong(whole) == [
            (2, "external_id", f"{acme.public_id} has it, and is called Acme."),
            (3, "external_id", "Empty."),
            (4, "name", "Empty."),
            (5, "parent", NOBODY),
            (6, "parent", f"{child.public_id} is a child: it cannot have children."),
            (7, "billing_email", "Enter a valid email address."),
            (
                7,
                "allowance",
                "“1,5” is no amount: 1250 or 0.5, with a point, and nothing between thousands.",
            ),
            (7, "seat_limit", "“-1” is no whole number between 0 and 1000000."),
            (7, "term", "“week” is none of month, year."),
            (7, "anchored_on", "“2026-02-30” is in no calendar."),
            (7, "first_term_full", "“perhaps” is neither yes nor no."),
            (9, "", "The same as in row 8."),
        ]
        assert whole.problems == 7


class TestPeople:
    def test_are_made_and_bring_their_seats(self, acme: Organization) -> None:
        f.set_terms(acme, allowance_per_user=Decimal(10))
        f.renew(acme, now=f.at("2026-06-01"))
        before = f.wallet_of(acme).balance

        whole = carried_out(
            "people",
            "organization,name,external_id,email,kind,profile,active\n"
            "acme,Ana,u-1,ANA@acme.example,,premium,\n"
            "acme,Bot,b-1,,agent,,\n"
            "acme,Cy,,cy@acme.example,user,,no\n"
            "acme,Di,u-4,,,,yes\n",
            now=f.at("2026-06-02"),
        )

        ana = Actor.objects.get(external_id="u-1")
        assert (ana.name, ana.email, ana.profile) == (
            "Ana",
            "ana@acme.example",
            UsageProfile.objects.get(slug="premium"),
        )
        assert list(acme.actors.order_by("id").values_list("kind", "active")) == [
            ("user", True),
            ("agent", True),
            ("user", False),
            ("user", True),
        ]
        assert f.wallet_of(acme).balance - before == 20
        assert parts(whole) == [("acme", "done", "4 people")]
        assert ana.history.get().history_change_reason == f.STAFF

    def test_that_are_there_are_left_as_they_are(self, acme: Organization) -> None:
        ana = person(acme, name="Ana", external_id="u-1")
        by_address = person(acme, name="Cy", email="cy@acme.example")

        whole = carried_out(
            "people",
            "organization,name,external_id,email\n"
            "acme,Other name,u-1,\nacme,Cy,,Cy@acme.example\nacme,New,u-2,\n",
        )

        assert acme.actors.count() == 3
        assert states(whole) == ["there", "there", "made"]
        assert [row.made for row in whole.row_set.order_by("number")][:2] == [
            ana.public_id,
            by_address.public_id,
        ]
        assert parts(whole)[0][2] == "1 person, 2 there already"

    def test_of_a_child_name_its_parent(self, acme: Organization) -> None:
        child = f.make_organization(parent=acme, external_id="berlin")

        carried_out(
            "people",
            "organization,parent,name,external_id\n"
            f"berlin,acme,Ana,u-1\n{child.public_id},,Ben,u-2\n",
        )

        assert child.actors.count() == 2

    def test_that_are_wrong_are_told_by_row_and_column(self, acme: Organization) -> None:
        sandbox = f.sandbox_of(acme)
        gone = f.archive(f.make_organization(external_id="gone")).organization
        whole = looked_at(
            "people",
            "organization,name,external_id,email,kind,profile,active\n"
            "nobody,Ana,u-1,,,,\n"
            f"{sandbox.public_id},Ana,u-1,,,,\n"
            f"{gone.public_id},Ana,u-1,,,,\n"
            "gone,Ana,u-1,,,,\n"
            "acme,Ana,,,,,\n"
            "acme,Ben, u 2\u200b,,robot,,maybe\n"
            "acme,Cy,u-3,,,king,\n",
        )

        assert wrong(whole) == [
            (2, "organization", NOBODY),
            (3, "organization", "There is no such organization, or it is a sandbox."),
            (4, "organization", "The organization is archived."),
            (5, "organization", NOBODY),
            (7, "external_id", "Control and invisible characters are not allowed."),
            (7, "kind", "“robot” is none of user, agent."),
            (7, "active", "“maybe” is neither yes nor no."),
        ]

    def test_are_wrong_too_where_only_what_the_organization_has_says_so(
        self, acme: Organization
    ) -> None:
        whole = looked_at(
            "people",
            "organization,name,external_id,profile\nacme,Ana,,\nacme,Cy,u-3,king\n",
        )

        assert wrong(whole) == [
            (2, "external_id", "Either this or an e-mail address is needed."),
            (3, "profile", "There is none of these: standard, premium."),
        ]


class TestKeys:
    FILE = (
        "organization,name,scopes,tier,expires_at,person\n"
        "acme,gateway,credits:read usage:write,pilot,2027-12-31,\n"
        "acme,Ana's,usage:read,,,u-1\n"
    )

    def test_are_minted_with_the_secrets_that_were_told_at_the_start(
        self, acme: Organization
    ) -> None:
        ana = person(acme, name="Ana", external_id="u-1")
        whole = looked_at("keys", self.FILE)

        told = imports.start_import(whole=whole, by=f.STAFF, now=f.NOW)
        work()

        assert [(each.number, each.organization, each.name) for each in told] == [
            (2, "acme", "gateway"),
            (3, "acme", "Ana's"),
        ]
        for each in told:
            token = tokens.read(each.secret)
            key = ApiKey.objects.get(pk=token.key_id)
            assert token.is_of(bytes(key.secret_hash))
            assert key.public_id == each.key_id
        gateway, personal = acme.api_keys.order_by("name").reverse()
        assert (gateway.scopes, gateway.rate_limit_tier, personal.actor) == (
            ["credits:read", "usage:write"],
            "pilot",
            ana,
        )
        assert gateway.expires_at == f.at("2028-01-01")

    def test_leave_no_trace_of_their_secrets(self, acme: Organization) -> None:
        person(acme, name="Ana", external_id="u-1")
        whole = looked_at("keys", self.FILE)
        told = imports.start_import(whole=whole, by=f.STAFF, now=f.NOW)

        def stored() -> str:
            return repr(list(ImportRow.objects.values()))

        assert not any(each.secret in stored() for each in told)
        work()
        assert not any(
            each.key_id.removeprefix("key_") in str(row.cells)
            for each in told
            for row in ImportRow.objects.all()
        )
        assert set(ImportRow.objects.values_list("secret_hash", flat=True)) == {None}

    def test_that_are_there_are_not_minted_again(self, acme: Organization) -> None:
        person(acme, name="Ana", external_id="u-1")
        carried_out("keys", self.FILE)

        whole = looked_at("keys", self.FILE)
        told = imports.start_import(whole=whole, by=f.STAFF, now=f.NOW)
        work()

        assert told == []
        assert acme.api_keys.count() == 2
        assert states(whole) == ["there", "there"]

    def test_that_are_wrong_are_told_by_row_and_column(self, acme: Organization) -> None:
        whole = looked_at(
            "keys",
            "organization,name,scopes,tier,expires_at,person\n"
            "acme,one,everything,,,\n"
            "acme,two,*,sandbox,31.12.2027,\n",
        )
        assert wrong(whole) == [
            (
                2,
                "scopes",
                "“everything” is none of *, credits:read, manage, org:admin, usage:read, usage:write.",
            ),
            (3, "tier", "“sandbox” is none of standard, pilot, partner."),
            (
                3,
                "expires_at",
                "“31.12.2027” is no moment: 2026-12-31, or 2026-12-31T23:59:00Z with Z or an offset.",
            ),
        ]

        whole = looked_at(
            "keys",
            "organization,name,scopes,tier,expires_at,person\n"
            "acme,one,manage,,,\nacme,two,usage:read,partner,2020-01-01,nobody\n",
            scopes=["usage:read"],
            tiers=["standard"],
        )
        assert wrong(whole) == [
            (2, "scopes", "May not be given: manage."),
            (3, "person", "The organization has nobody of this id or address."),
            (3, "expires_at", "This moment has passed: the key would open nothing."),
            (3, "tier", "You may give standard."),
        ]

    def test_give_no_more_than_whoever_starts_them_may(self, acme: Organization) -> None:
        whole = looked_at("keys", "organization,name,scopes\nacme,one,manage\n")

        imports.start_import(whole=whole, by=f.STAFF, now=f.NOW, scopes=["usage:read"])
        work()

        assert acme.api_keys.count() == 0
        assert wrong(whole) == [(2, "scopes", "May not be given: manage.")]


class TestBalances:
    FILE = (
        "organization,credits,category,expires_at,name,priority,reference\n"
        "acme,1250.50,paid,2027-06-30,Balance of 2026,10,INV-1\n"
        "acme,100,goodwill,,,,\n"
        "acme,100,goodwill,,,,\n"
    )

    def test_become_grants_with_their_category_and_end(self, acme: Organization) -> None:
        carried_out("balances", self.FILE)

        grants = Grant.objects.filter(wallet__organization=acme).order_by("id")
        assert list(grants.values_list("amount", "category", "name", "priority", "expires_at")) == [
            (Decimal("1250.5"), "paid", "Balance of 2026", 10, f.at("2027-07-01")),
            (Decimal(100), "goodwill", "", 50, None),
            (Decimal(100), "goodwill", "", 50, None),
        ]
        assert f.wallet_of(acme).balance == Decimal("1450.5")
        entry = LedgerEntry.objects.get(reference="INV-1")
        assert (entry.performed_by, entry.reason) == (f.STAFF, "Opening balance")

    def test_of_the_same_file_come_once(self, acme: Organization) -> None:
        carried_out("balances", self.FILE)

        again = carried_out("balances", self.FILE)

        assert f.wallet_of(acme).balance == Decimal("1450.5")
        assert states(again) == ["there", "there", "there"]
        assert again.weight == 0

    def test_that_are_wrong_are_told_by_row_and_column(self, acme: Organization) -> None:
        f.grant(acme, 5, reference="INV-2")
        whole = looked_at(
            "balances",
            "organization,credits,category,expires_at,priority,reference\n"
            "acme,10,,2020-01-01,,\n"
            "acme,10,,,,INV-2\n",
        )
        assert [(row, column) for row, column, _ in wrong(whole)] == [
            (2, "expires_at"),
            (3, "reference"),
        ]
        assert "which has passed" in wrong(whole)[0][2]

        whole = looked_at(
            "balances",
            "organization,credits,category,expires_at,priority\nacme,0,gift,soon,101\nacme,1e9,,,\nacme,99999999999999,,,\n",
        )
        assert [(row, column) for row, column, _ in wrong(whole)] == [
            (2, "credits"),
            (2, "category"),
            (2, "expires_at"),
            (2, "priority"),
            (3, "credits"),
            (4, "credits"),
        ]

    def test_say_how_many_credits_they_are_about(self, acme: Organization) -> None:
        assert looked_at("balances", self.FILE).weight == Decimal("1450.5")


class TestLimits:
    def test_of_everybody_are_set_taken_away_and_left(self, acme: Organization) -> None:
        ana = person(acme, name="Ana", external_id="u-1")
        ben = person(acme, name="Ben", email="ben@acme.example")
        team = groups.create_group(organization=acme, kind="team", key="dev", name="Dev", now=f.NOW)
        groups.create_group(organization=acme, kind="entity", key="lab", name="Lab", now=f.NOW)
        text = (
            "organization,of,who,credits\n"
            "acme,person,u-1,500\n"
            "acme,person,Ben@acme.example,none\n"
            "acme,team,dev,0\n"
            "acme,budget,lab,1000.5\n"
            "acme,app,app/writer,70\n"
            "acme,everybody,,50\n"
            "acme,budgets,,5000\n"
        )

        carried_out("limits", text)
        again = carried_out("limits", text)

        assert states(again) == ["there"] * 7
        terms = limits.actor_terms(acme, [ana, ben])
        assert terms[ana.id].cap == 500
        assert terms[ben.id].cap is None
        assert Limit.objects.get(group=team).cap == 0
        assert limits.resource_cap(acme, "app", "writer") == 70
        assert limits.default_cap(acme) == 50

        changed = carried_out(
            "limits",
            f"organization,of,who,credits\nacme,person,{ana.public_id},default\nacme,person,ben@acme.example,7\n",
        )
        assert states(changed) == ["made", "made"]
        assert limits.actor_terms(acme, [ana])[ana.id].cap == 50
        assert changed.row_set.get(number=3).said == "was no limit"

    def test_that_are_wrong_are_told_by_row_and_column(self, acme: Organization) -> None:
        person(acme, name="Ana", external_id="u-1", email="ana@acme.example")
        whole = looked_at(
            "limits",
            "organization,of,who,credits\n"
            "acme,person,nobody,5\n"
            "acme,person,,5\n"
            "acme,team,dev,5\n"
            "acme,budget,lab,5\n"
            "acme,app,writer,5\n"
            "acme,app,app/writer,default\n"
            "acme,everybody,u-1,5\n"
            "acme,teams,,default\n"
            "acme,person,u-1,5\n"
            "acme,person,ana@acme.example,6\n",
        )

        assert wrong(whole) == [
            (2, "who", "The organization has nobody of this id or address."),
            (3, "who", "Empty."),
            (4, "who", "The organization has no team of this key."),
            (5, "who", "The organization has no shared budget of this key."),
            (6, "who", "app/writer or dataset/sales is expected."),
            (7, "credits", "An app has no default: none is no limit."),
            (8, "who", "Empty for a default."),
            (9, "credits", "A default has no default."),
            (11, "who", "The same as in row 10."),
        ]
        whole = looked_at("limits", "organization,of,credits\nacme,king,some\n")
        assert [(row, column) for row, column, _ in wrong(whole)] == [(2, "of"), (2, "credits")]


class TestHistory:
    def test_charges_nothing_and_is_in_the_reports(self, acme: Organization) -> None:
        ana = person(acme, name="Ana", external_id="u-1")
        p.make_model("opus")
        text = (
            "organization,source,id,occurred_at,credits,model,input_tokens,output_tokens,person,resource_type,resource_id\n"
            "acme,old,1,2026-01-05T10:00:00Z,12.5,,,,u-1,app,writer\n"
            "acme,old,2,2025-12-31T23:59:59+01:00,99999999,,,,,,\n"
        )

        whole = carried_out("usage", text)
        again = carried_out("usage", text)

        events = UsageEvent.objects.filter(organization=acme).order_by("external_id")
        assert [(e.credits, e.charged, e.entry_id, e.actor) for e in events] == [
            (Decimal("12.5"), False, None, ana),
            (Decimal(99999999), False, None, None),
        ]
        assert f.wallet_of(acme).balance == 0
        assert f.entries_of(acme) == []
        assert (states(whole), states(again)) == (["made", "made"], ["there", "there"])
        assert parts(again) == [("acme", "done", "2 there already")]

    def test_that_is_wrong_is_told_by_row_and_column(self, acme: Organization) -> None:
        head = "organization,source,id,occurred_at,credits,model,input_tokens,person,budget,resource_type\n"
        whole = looked_at(
            "usage",
            head
            + "acme,old,1,2026-01-05,,,,,,\n"
            + "acme,old,2,2026-01-05,1,opus,5,,,\n"
            + "acme,old,3,2026-01-05,,,5,,,\n"
            + "acme,old,4,2026-01-05,1,,,,,app\n",
        )
        assert wrong(whole) == [
            (2, "credits", "Either credits, or a model and its tokens, are needed."),
            (3, "credits", "Either credits or tokens, not both."),
            (4, "model", "Tokens need a model."),
            (5, "resource_id", "The type and the id of a resource go together."),
        ]

        later = (f.NOW + timedelta(days=1)).isoformat()
        whole = looked_at(
            "usage",
            head
            + "acme,reservation,1,2026-01-05,1,,,,,\n"
            + f"acme,old,2,{later},1,,,,,\n"
            + "acme,old,3,2026-01-05,,gpt-0,5,,,\n"
            + "acme,old,4,2026-01-05,1,,,u-9,,\n"
            + "acme,old,5,2026-01-05,1,,,,lab,\n",
        )
        assert wrong(whole) == [
            (2, "source", "Source reservation is reserved."),
            (3, "occurred_at", "Occurred_at is more than 5 minutes ahead."),
            (4, "model", "Unknown model."),
            (5, "person", "Unknown actor."),
            (6, "budget", "Unknown entity."),
        ]

    def test_of_a_suspended_organization_is_refused(self, acme: Organization) -> None:
        f.suspend(acme)

        whole = looked_at(
            "usage", "organization,source,id,occurred_at,credits\nacme,o,1,2026-01-05,1\n"
        )

        assert [(row, column) for row, column, _ in wrong(whole)] == [(2, "organization")]


@pytest.mark.parametrize("kind", imports.KINDS.values(), ids=lambda kind: kind.slug)
def test_the_examples_of_each_kind_can_be_read(kind: Any) -> None:
    for column in kind.columns:
        if column.example:
            column.read(column.example)
