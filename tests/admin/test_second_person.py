"""What is too much for one person: another approves it as it was proposed, once, within a day, whatever it is that was proposed."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from credits.models import LedgerEntry
from organizations import bulk, proposals
from organizations.admin import many as carrying_out
from organizations.models import BulkAction, BulkItem, Proposal, Proposed
from tests import factories as f
from tests.admin.people import badge, client_of, staff_who_may, use
from tests.admin.test_bulk_actions import ask, confirm, granted
from tests.admin.test_new_prices import JUNE, a_model, filled
from tests.admin.test_new_prices import send as send_prices
from tests.parallel import at_once
from usage.models import Markup, PriceProposal, Rate

pytestmark = pytest.mark.django_db(transaction=True)

GRANT, MORE, APPROVE = "credits.grant", "credits.grant_more", "organizations.approve"
WAITING = "admin:organizations_proposal_waiting"


@pytest.fixture(autouse=True)
def limits(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One person moves a thousand credits alone; and a page has time for everybody, on a machine that is busy too."""
    settings.SECOND_PERSON_ABOVE = Decimal(1_000)
    monkeypatch.setattr(carrying_out, "PORTION_SECONDS", 600)


@pytest.fixture
def bob(transactional_db: None) -> Client:
    """Bob may do everything, too."""
    return client_of(User.objects.create_superuser("bob"))


class Case(NamedTuple):
    """Something that ana proposed, and how often it was done."""

    proposal: Proposed
    times: Callable[[], int]
    rights: tuple[str, ...]
    """What it takes to do it, and to see it."""
    title: str


def a_grant(ana: Client) -> Case:
    organization = f.make_organization("Nordwind")
    use(ana, "grant", organization, amount="1001", reason="a big customer")
    return Case(
        Proposal.objects.get(),
        lambda: len(granted(organization)),
        (GRANT, MORE),
        "Grant credits",
    )


def a_card(ana: Client) -> Case:
    model = a_model()
    data = filled(ana, model, output_tokens="2000")
    send_prices(ana, model, {**data, "reason": "a big customer"})
    return Case(
        PriceProposal.objects.get(),
        lambda: Rate.history.filter(starts_at=JUNE, unit="output_tokens").count(),
        ("usage.add_rate",),
        "New prices of Sonnet",
    )


def a_markup(ana: Client) -> Case:
    where = reverse("admin:usage_markup_add")
    since = {"starts_at_0": "2026-06-01", "starts_at_1": "00:00:00"}
    ana.post(where, {**since, "factor": "3", "reason": "a big customer", "step": "confirm"})
    return Case(
        PriceProposal.objects.get(), Markup.history.count, ("usage.change_markup",), "markup"
    )


def many_grants(ana: Client) -> Case:
    two = [f.make_organization(name) for name in ("Rich", "Poor")]
    row = ask(ana, "grant", two, amount="600", reason="a big customer")
    confirm(ana, row)
    row.refresh_from_db()
    seen = ("organizations.view_organization", "credits.view_wallet")
    return Case(
        row,
        lambda: LedgerEntry.objects.filter(wallet__organization=two[0]).count(),
        (GRANT, MORE, *seen, "organizations.view_bulkaction"),
        "Grant for 2 organizations",
    )


CASES = {"grant": a_grant, "card": a_card, "markup": a_markup, "many": many_grants}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, ana: Client) -> Case:
    """Something of each kind that waits."""
    found = CASES[request.param](ana)
    assert (found.proposal.state, found.times()) == ("waiting", 0)
    return found


def url(proposal: Proposed, page: str = "change") -> str:
    name = proposal._meta.label_lower.replace(".", "_")
    return reverse(f"admin:{name}_{page}", args=[proposal.pk])


def decide(client: Client, proposal: Proposed, decision: str = "approve", **options: Any) -> Any:
    return client.post(url(proposal, "decide"), {"decision": decision}, **options)


def said(client: Client, proposal: Proposed, decision: str = "approve") -> str:
    return str(decide(client, proposal, decision, follow=True).content.decode())


def state_of(proposal: Proposed) -> str:
    proposal.refresh_from_db()
    return proposal.state


def titles(approvals: Any) -> list[str]:
    return [each.title for each in approvals]


def write(proposal: Proposed, **change: Any) -> None:
    """Write into the row of a proposal, past everything but the database."""
    with transaction.atomic():
        type(proposal)._default_manager.filter(pk=proposal.pk).update(**change)


DECIDED = {"decided_by": "bob", "decided_at": f.NOW}


class TestEveryKind:
    def test_waits_a_day(self, case: Case) -> None:
        row = case.proposal

        assert row.expires_at - row.proposed_at == timedelta(hours=24)
        assert (row.proposed_by, row.reason) == ("ana", "a big customer")
        assert row.digest == proposals.digest_of(row)

    @pytest.mark.parametrize(
        "change",
        [
            {"payload": {}},
            {"digest": "d"},
            {"action": "another"},
            {"reason": "x"},
            {"proposed_by": "bob"},
            {"expires_at": f.later(days=9)},
            {"state": "draft"},
            {"state": "confirmed", "decided_by": "ana", "decided_at": f.NOW},
            {"state": "approved", "reason": "x", **DECIDED},
        ],
        ids=str,
    )
    def test_cannot_be_changed(self, case: Case, change: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError):
            write(case.proposal, **change)
        with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
            type(case.proposal)._default_manager.all().delete()

    def test_is_approved_as_it_was_proposed_or_not_at_all(
        self, case: Case, bob: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(proposals, "digest_of", lambda row: "another")

        assert "It is not what was proposed." in said(bob, case.proposal)
        assert (state_of(case.proposal), case.times()) == ("waiting", 0)

    def test_is_done_once_and_says_by_whom_and_why(self, case: Case, bob: Client) -> None:
        for decision in ("approve", "approve", "refuse"):
            decide(bob, case.proposal, decision)

        assert (state_of(case.proposal), case.times()) == ("approved", 1)
        assert (case.proposal.decided_by, case.proposal.decided_at) == ("bob", f.NOW)
        assert case.proposal.outcome
        told = LogEntry.objects.filter(change_message__startswith="Proposal of ana approved").get()
        assert str(told.user) == "bob"
        assert "Reason: a big customer" in told.change_message

    def test_cannot_be_replayed(self, case: Case, bob: Client) -> None:
        decide(bob, case.proposal)

        for state in ("waiting", "refused", "approved"):
            with pytest.raises(IntegrityError):
                write(case.proposal, state=state, **DECIDED)
        assert "Bob approved it already." in said(bob, case.proposal)
        assert case.times() == 1

    @pytest.mark.race
    def test_is_decided_once_by_two_at_once(self, case: Case, bob: Client) -> None:
        decisions = ["approve", "refuse", "approve", "approve"]

        at_once(4, lambda n: decide(bob, case.proposal, decisions[n]))

        assert case.times() == (1 if state_of(case.proposal) == "approved" else 0)
        told = LogEntry.objects.filter(change_message__startswith="Proposal of ana")
        assert told.exclude(change_message__contains="is proposed").count() == 1

    def test_is_never_approved_by_who_proposed(self, case: Case, ana: Client) -> None:
        assert "You proposed it yourself" in said(ana, case.proposal)
        with pytest.raises(IntegrityError, match="approved_by_another"):
            write(case.proposal, state="approved", decided_by="ana", decided_at=f.NOW)

        assert (state_of(case.proposal), case.times()) == ("waiting", 0)

    def test_is_not_outlived(self, case: Case, bob: Client) -> None:
        with time_machine.travel(f.later(hours=24), tick=False):
            late = client_of(User.objects.get(username="bob"))
            assert "It waited until 2026-05-11 12:00 UTC" in said(late, case.proposal)
            assert "Approve</button>" not in late.get(url(case.proposal)).content.decode()
        with pytest.raises(IntegrityError, match="decided_in_time"):
            write(case.proposal, state="approved", decided_by="bob", decided_at=f.later(hours=24))

        assert (state_of(case.proposal), case.times()) == ("waiting", 0)

    def test_takes_the_right_to_approve_and_that_of_the_thing_itself(self, case: Case) -> None:
        for number, right in enumerate([APPROVE, case.rights[0]]):
            some = [each for each in (APPROVE, *case.rights) if each != right]
            client = staff_who_may(*some, name=f"half-{number}")
            assert decide(client, case.proposal).status_code == 403
        whole = staff_who_may(APPROVE, *case.rights, name="whole")
        assert "Approve</button>" in whole.get(url(case.proposal)).content.decode()
        decide(whole, case.proposal)

        assert case.times() == 1

    def test_is_closed_to_who_may_see_nothing_of_it(self, case: Case) -> None:
        stranger = staff_who_may("usage.view_usageevent", name="otto")

        assert stranger.get(url(case.proposal)).status_code == 403
        assert decide(stranger, case.proposal).status_code == 403
        assert stranger.get(reverse(WAITING)).status_code == 403

    def test_is_of_nobody_who_may_not_any_more(self, case: Case, bob: Client) -> None:
        User.objects.filter(username="ana").update(is_superuser=False)
        assert "Ana may not do this any more." in said(bob, case.proposal)
        User.objects.filter(username="ana").update(is_active=False)
        assert "Ana is not one of the staff any more." in said(bob, case.proposal)

        assert (state_of(case.proposal), case.times()) == ("waiting", 0)

    def test_asks_first_who_is_there(self, case: Case, bob: Client) -> None:
        for minutes in (10, 16):
            with time_machine.travel(f.later(minutes=minutes), tick=False):
                bob.get("/admin/")
        with time_machine.travel(f.later(minutes=16), tick=False):
            answer = decide(bob, case.proposal)

        assert answer.headers["location"].startswith("/admin/is-it-you/")
        assert case.times() == 0
        assert bob.get(url(case.proposal, "decide")).headers["location"] == url(case.proposal)

    @pytest.mark.parametrize("who", ["ana", "bob"])
    def test_is_refused_or_withdrawn_for_good(
        self, case: Case, ana: Client, bob: Client, who: str
    ) -> None:
        page = said({"ana": ana, "bob": bob}[who], case.proposal, "refuse")
        decide(bob, case.proposal)

        assert f"{'withdrawn' if who == 'ana' else 'refused'}. Nothing changed." in page
        assert (state_of(case.proposal), case.times()) == ("refused", 0)
        assert case.proposal.decided_by == who

    def test_is_not_written_by_a_form(self, case: Case, bob: Client) -> None:
        assert bob.post(url(case.proposal), {"reason": "x"}).status_code == 403

    def test_waits_on_one_page_on_the_first_and_beside_the_menu(
        self, case: Case, ana: Client, bob: Client
    ) -> None:
        home, mine, hers = (
            bob.get("/admin/"),
            bob.get(reverse(WAITING)),
            ana.get(reverse(WAITING)),
        )

        (title,) = titles(mine.context["to_decide"])
        assert case.title in title
        assert titles(home.context["approvals"]) == titles(hers.context["of_others"]) == [title]
        assert home.context["waits"] == 1
        assert badge(home) == "1"
        assert badge(hers) is None
        assert ana.get("/admin/").context["waits"] == 0
        for page in (mine, home):
            assert f'href="{url(case.proposal)}"' in page.content.decode()
        decide(bob, case.proposal)
        assert titles(bob.get(reverse(WAITING)).context["to_decide"]) == []
        assert badge(bob.get("/admin/")) is None

    def test_is_found_by_what_became_of_it(self, case: Case, bob: Client) -> None:
        name = case.proposal._meta.label_lower.replace(".", "_")
        lists = reverse(f"admin:{name}_changelist")

        def listed(client: Client, state: str) -> int:
            return len(client.get(lists, {"state": state}).context["cl"].result_list)

        spec = bob.get(lists).context["cl"].filter_specs[0]
        offered = {value for value, _ in spec.lookup_choices}
        assert ("confirmed" in offered) == (case.proposal._meta.model is BulkAction)
        assert (listed(bob, "waiting"), listed(bob, "expired")) == (1, 0)
        with time_machine.travel(f.later(hours=24), tick=False):
            late = client_of(User.objects.get(username="bob"))
            assert (listed(late, "waiting"), listed(late, "expired")) == (0, 1)
        decide(bob, case.proposal)
        assert (listed(bob, "waiting"), listed(bob, "approved")) == (0, 1)

    def test_is_on_its_list_with_what_became_of_it(self, case: Case, bob: Client) -> None:
        name = case.proposal._meta.label_lower.replace(".", "_")
        lists = reverse(f"admin:{name}_changelist")

        assert "waits for a second person" in bob.get(lists).content.decode()
        with time_machine.travel(f.later(hours=24), tick=False):
            late = client_of(User.objects.get(username="bob"))
            assert "expired" in late.get(lists).content.decode()


class TestAgain:
    """What it would do is looked at again where it is approved."""

    def test_a_grant_shows_what_it_would_do_by_now(self, ana: Client, bob: Client) -> None:
        row = a_grant(ana).proposal
        organization = Proposal.objects.get().organization
        f.grant(organization, 10)

        page = bob.get(url(row))

        assert "1,011" in page.content.decode()
        assert "A big customer" not in dict(page.context["asked"]).values()
        assert dict(page.context["asked"])["Amount"] == "1,001"
        assert f.money_of(organization)[0] == 10

    def test_a_form_is_shown_as_people_write_it(self, ana: Client, bob: Client) -> None:
        end = {"expires_at_0": "2026-06-01", "expires_at_1": "12:00"}
        use(ana, "grant", f.make_organization(), amount="1001.5", **end)

        asked = dict(bob.get(url(Proposal.objects.get())).context["asked"])

        assert asked["Amount"] == "1,001.5"
        assert asked["Expires at"] == "2026-06-01 12:00 UTC"

    def test_says_why_the_service_refuses_and_waits_on(self, ana: Client, bob: Client) -> None:
        organization = f.make_organization(funded=2_000)
        use(ana, "adjust", organization, amount="-1500")
        use(bob, "adjust", organization, amount="-1000")
        row = Proposal.objects.get()

        assert "1500" in said(bob, row)
        assert "As things stand it would be refused" in bob.get(url(row)).content.decode()
        assert state_of(row) == "waiting"
        assert f.money_of(organization)[0] == 1_000

    def test_many_are_looked_at_within_the_hour(self, ana: Client) -> None:
        case = many_grants(ana)
        User.objects.create_superuser("bob")
        item = BulkItem.objects.get(organization__name="Rich")
        f.grant(item.organization, 7)

        with time_machine.travel(f.later(hours=1), tick=False):
            bob = client_of(User.objects.get(username="bob"))
            assert "look at it again first" in said(bob, case.proposal)
            assert case.times() == 1  # the seven
            bob.post(url(case.proposal, "look"))
            item.refresh_from_db()
            assert item.figures["Available"] == ["7", "607"]
            decide(bob, case.proposal)

        assert case.times() == 2

    def test_many_are_looked_at_by_a_worker_where_a_page_has_no_time(
        self, ana: Client, bob: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = many_grants(ana)
        monkeypatch.setattr(carrying_out, "AT_ONCE", 1)

        bob.post(url(case.proposal, "look"))

        assert "Not everybody was looked at yet" in said(bob, case.proposal)
        assert "data-look-again" in bob.get(url(case.proposal)).content.decode()
        assert case.times() == 0

    def test_many_are_looked_at_by_who_may_decide(self, ana: Client, bob: Client) -> None:
        case = many_grants(ana)
        reader = staff_who_may(*case.rights[2:])

        assert reader.post(url(case.proposal, "look")).status_code == 403
        decide(bob, case.proposal)
        assert "It is decided already." in (
            bob.post(url(case.proposal, "look"), follow=True).content.decode()
        )
        assert not BulkItem.objects.filter(rehearsed_at=None).exists()

    def test_many_are_those_that_were_asked(self, ana: Client, bob: Client) -> None:
        case = many_grants(ana)
        smuggled = f.make_organization("Smuggled")
        BulkItem.objects.create(bulk_id=case.proposal.pk, organization=smuggled)

        assert "It is not what was proposed." in said(bob, case.proposal)
        assert case.times() == 0


class TestProposal:
    def test_is_made_once_of_one_form(self, ana: Client, bob: Client) -> None:
        asked = {"organization": f.make_organization(), "action": "grant", "payload": {"a": ["1"]}}

        def propose(**other: Any) -> Proposed:
            row = Proposal(amount=5, reason="r", proposed_by="ana", **{**asked, **other})
            return proposals.propose(row, now=f.NOW)

        first = propose()

        assert propose() == first
        assert propose(payload={"a": ["2"]}) != first
        assert propose(organization=f.make_organization()) != first

    def test_that_is_a_draft_waits_for_nobody_else(self, ana: Client, bob: Client) -> None:
        row = ask(ana, "grant", [f.make_organization()], amount="600")

        assert "It does not wait for a second person." in said(bob, row)
        assert titles(bob.get(reverse(WAITING)).context["to_decide"]) == []
        assert "withdrawn" in said(ana, row, "refuse")
        assert BulkAction.objects.get().state == "refused"

    def test_that_was_confirmed_is_not_approved(self, ana: Client, bob: Client) -> None:
        row = ask(ana, "grant", [f.make_organization()], amount="600")
        confirm(ana, row)

        assert "Ana confirmed it already." in said(bob, row)
        assert bulk.totals_of(row).done == 1
