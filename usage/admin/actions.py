"""The buttons that concern work and those who do it: a new actor, forgiving what one used, pricing again."""

from datetime import datetime
from itertools import islice
from typing import Any

from django import forms
from django.db import IntegrityError
from django.db.models import QuerySet, Sum
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from credits import services as credits_services
from credits.admin.actions import AmountForm, posted_by_hand, wallet_figures
from credits.models import ZERO, BillingPeriod, Reservation
from credits.templatetags.amounts import credits, signed
from organizations.admin.actions import (
    Action,
    ActionForm,
    Command,
    Figure,
    Outcome,
    exact,
    visible,
)
from organizations.admin.forms import own_actor
from organizations.models import Actor, Organization, UsageProfile
from organizations.proposals import WINDOW, Moved
from organizations.services import OrganizationArchived
from usage import services
from usage.admin.person import PersonAction
from usage.models import UsageEvent
from usage.services import budgets, rerating
from usage.services.events import FORGIVEN
from usage.services.profiles import profiles_for


class ExternalIdTaken(Exception):
    """Another actor of the organization has the external id."""


class ActorForm(ActionForm):
    own = {"profile": profiles_for}
    kind = forms.ChoiceField(
        choices=Actor.Kind.choices,
        initial=Actor.Kind.USER,
        widget=UnfoldAdminSelectWidget,
        help_text="A user who takes a new seat brings a share of the allowance, where there is one; an agent does not.",
    )
    name = forms.CharField(max_length=128, widget=UnfoldAdminTextInputWidget, validators=[visible])
    email = forms.EmailField(required=False, widget=UnfoldAdminEmailInputWidget)
    external_id = forms.CharField(
        max_length=128,
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget,
        validators=[visible, exact],
        help_text="What the product calls it.",
    )
    profile = forms.ModelChoiceField(
        queryset=UsageProfile.objects.none(),
        required=False,
        empty_label="The organization's default",
        widget=UnfoldAdminSelectWidget,
    )


class NewActor(Action):
    slug = "new-actor"
    title = "New actor"
    icon = "person_add"
    explanation = "Somebody who spends: a person or an agent. A person who takes a new seat brings a full share of the allowance at once."
    permission = "organizations.add_actor"
    form = ActorForm
    refusals = {
        ExternalIdTaken: "external_id",
        credits_services.ForeignProfile: "profile",
        OrganizationArchived: None,
    }

    def moved(self, command: Command) -> Moved:
        return posted_by_hand(command)

    def fits(self, organization: Organization) -> bool:
        return False  # offered beside the actors

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        active = organization.actors.filter(active=True).count()
        return [
            Figure(organization.name, "Active actors", str(active)),
            *wallet_figures(organization, now=now),
        ]

    def perform(self, command: Command) -> Outcome:
        data = command.data
        try:
            actor = credits_services.create_actor(
                organization=command.organization,
                kind=data["kind"],
                name=data["name"],
                email=data["email"] or None,
                external_id=data["external_id"] or None,
                profile=data["profile"],
                performed_by=command.performed_by[:100],
                now=command.now,
            )
        except IntegrityError as error:
            # Only the external id can be taken: everything else of an actor is its own.
            raise ExternalIdTaken(f"another actor is {data['external_id']}") from error
        # By the id: what the log of the organization says, nobody can erase.
        said = f"{actor.public_id} is one of the actors of {command.organization.name}."
        page = reverse("admin:organizations_actor_change", args=[actor.pk])
        return Outcome(said, made=page)


class ForgiveForm(AmountForm):
    actor = forms.ModelChoiceField(queryset=Actor.objects.none())

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        self.fields["actor"] = own_actor(organization)
        self.order_fields(["actor", "amount", "reason"])


def forgiven_by_hand(command: Command) -> Moved:
    """Return what who asks forgave on an organization in the last day."""
    forgiven = UsageEvent.objects.filter(
        organization=command.organization,
        source=FORGIVEN,
        metadata__performedBy=command.performed_by,
        occurred_at__gt=command.now - WINDOW,
    )
    return Moved(brought=-forgiven.aggregate(sum=Sum("credits", default=ZERO))["sum"])


def balance_of(command: Command) -> list[Figure]:
    """Return the balance, to show that it stays."""
    of_wallet = wallet_figures(command.organization, now=command.now)
    return [figure for figure in of_wallet if figure.what == "Balance"]


class Forgive(PersonAction):
    slug = "forgive"
    title = "Forgive usage"
    icon = "healing"
    explanation = (
        "Takes credits off what an actor used this month, so that its cap has room again. "
        "The wallet and the ledger stay as they are."
    )
    permission = "usage.forgive"
    form = ForgiveForm
    refusals = {services.NothingToForgive: "amount"}

    def moved(self, command: Command) -> Moved:
        return forgiven_by_hand(command)

    def figures_of(self, command: Command) -> list[Figure]:
        actor: Actor = command.data["actor"]
        standing = budgets.standing_of(actor, now=command.now)
        cap = standing.terms.cap
        left = "no cap" if cap is None else credits(max(ZERO, cap - standing.used))
        return [
            Figure(actor.name, "Used this month", credits(standing.used)),
            Figure(actor.name, "Left of its cap", left),
            *balance_of(command),
        ]

    def perform(self, command: Command) -> Outcome:
        actor: Actor = command.data["actor"]
        event = services.forgive(
            organization=command.organization,
            actor=actor,
            credits=command.data["amount"],
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"{credits(-event.credits)} credits forgiven to {actor.public_id}.")


class EraseForm(ActionForm):
    actor = forms.ModelChoiceField(queryset=Actor.objects.none())

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        self.fields["actor"] = own_actor(organization)
        self.fields["reason"].help_text = "Kept for good, beside your name: do not name the person."
        self.order_fields(["actor", "reason"])


class Erase(PersonAction):
    slug = "erase-person"
    title = "Erase person"
    icon = "person_off"
    explanation = (
        "For good: takes name, email and external id out of the actor, its history, its personal keys, the answers stored for repeats "
        "and the log of its page. It spends no more, its personal keys open nothing. What it did stays under its id."
    )
    permission = "organizations.erase"
    form = EraseForm
    dangerous = True
    refusals = {}

    def figures_of(self, command: Command) -> list[Figure]:
        actor = Actor.objects.get(pk=command.data["actor"].pk)
        current = actor.api_keys.filter(revoked_at=None)
        keys = current.count() if actor.active else 0
        held = actor.reservations.filter(status=Reservation.Status.OPEN).count()
        seats = command.organization.actors.filter(active=True, kind=Actor.Kind.USER).count()
        whose = actor.public_id
        return [
            Figure(whose, "Name", actor.name),
            Figure(whose, "Email", actor.email or "–"),
            Figure(whose, "External id", actor.external_id or "–"),
            Figure(whose, "Active", "yes" if actor.active else "no"),
            Figure(whose, "Personal keys that open something", str(keys)),
            Figure(whose, "Open reservations, which may still settle", str(held)),
            Figure(command.organization.name, "Active users", str(seats)),
            *wallet_figures(command.organization, now=command.now),
        ]

    def perform(self, command: Command) -> Outcome:
        erased = credits_services.erase_actor(
            actor=command.data["actor"], performed_by=command.performed_by, now=command.now
        )
        return Outcome(f"{erased.public_id} is erased.")


def used_in(period_id: int | None) -> list[Figure]:
    """Return what a billing period has used, for the preview of what changes it."""
    periods = [] if period_id is None else BillingPeriod.objects.filter(pk=period_id)
    return [Figure("", f"Used in {period}", credits(period.used)) for period in periods]


def _periods(organization: Organization) -> QuerySet[Any]:
    own = BillingPeriod.objects.filter(wallet__organization=organization)
    return own.order_by("-index")


class PeriodForm(ActionForm):
    own = {"period": _periods}
    period = forms.ModelChoiceField(
        queryset=BillingPeriod.objects.none(),
        empty_label=None,
        widget=UnfoldAdminSelectWidget,
        help_text="Its work is priced by the rate card as it now stands for the moment of the work.",
    )


class TooMuchForAPage(Exception):
    """A page of the admin does it in one transaction; so much is for the command."""


class NothingToRerate(Exception):
    """No work of the period has another price."""


class Rerate(Action):
    slug = "rerate"
    title = "Price again"
    icon = "price_change"
    explanation = (
        "After a correction of the rate card: where work of the period has another price now, its charge is reversed and it is "
        "charged again. The old entries and events stay."
    )
    permission = "credits.reprice"
    form = PeriodForm
    dangerous = True
    refusals = {TooMuchForAPage: None, NothingToRerate: None}
    rows = 20
    """How many events the preview lists."""
    events_read = 20_000
    charges_replaced = 200

    def moved(self, command: Command) -> Moved:
        return posted_by_hand(command)

    def fits(self, organization: Organization) -> bool:
        return False  # offered on the page of each billing period

    def figures_of(self, command: Command) -> list[Figure]:
        period: BillingPeriod = command.data["period"]
        again = rerating.priced(command.organization, period, now=command.now)
        read = islice(again, self.events_read)
        found = [e for e in read if e.difference or e.was_changed(at=command.now)]
        charged = sum((each.latest.credits for each in found), ZERO)
        listed = [
            Figure("Events", f"{each.told.public_id}, {each.told.model}", credits(each.old))
            for each in found[: self.rows]
        ]
        return [
            Figure("", f"Charged for {len(found)} events", credits(charged)),
            *used_in(period.pk),
            *wallet_figures(command.organization, now=command.now),
            *listed,
        ]

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        named = str(form["period"].value())
        if not named.isascii() or not named.isdigit():
            return super().leads_to(organization, form)
        return reverse("admin:credits_billingperiod_change", args=[named])

    def perform(self, command: Command) -> Outcome:
        done = services.rerate(
            organization=command.organization,
            period=command.data["period"],
            reason=command.data["reason"],
            performed_by=command.performed_by,
            now=command.now,
            at_most=self.charges_replaced,
        )
        if done.next is not None:
            raise TooMuchForAPage("more than a page can do at once: use manage.py rerate")
        if not done.events:
            raise NothingToRerate("; ".join(done.problems[:3]) or "every price is what it was")
        left = f" {len(done.problems)} could not be." if done.problems else ""
        return Outcome(
            f"{done.events} events of {command.organization.name} are priced again, "
            f"{signed(done.difference)} credits in all.{left}"
        )


ACTIONS: tuple[Action, ...] = (
    NewActor(),
    Forgive(),
    Erase(),
    Rerate(),
)
