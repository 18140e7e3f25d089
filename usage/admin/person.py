"""An action on one person or agent: which one, how they stand at the head of its pages, and the way back to their page."""

from datetime import datetime
from typing import Any

from django import forms
from django.urls import reverse

from organizations.admin.actions import Action, ActionForm, Card
from organizations.admin.forms import as_id, own_actor
from organizations.models import Actor, Organization
from organizations.services import OrganizationArchived, live_keys


class PersonForm(ActionForm):
    """Which person or agent of the organization."""

    actor = forms.ModelChoiceField(queryset=Actor.objects.none())

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        self.fields["actor"] = own_actor(organization)
        self.fields["actor"].label = "Person"


def person_of(organization: Organization, form: ActionForm) -> Actor | None:
    """Return the person that a form names, if the organization has it."""
    named = as_id(form["actor"].value())
    return None if named is None else organization.actors.filter(pk=named).first()


class PersonAction(Action):
    """An action on one person, from their page and back to it."""

    permission = "organizations.change_actor"
    refusals = {OrganizationArchived: None}

    def fits(self, organization: Organization) -> bool:
        return False  # offered on the page of each

    def card(self, organization: Organization, form: ActionForm, *, now: datetime) -> Card | None:
        actor = person_of(organization, form)
        return None if actor is None else card_of(actor, now=now)

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        actor = person_of(organization, form)
        if actor is None:
            return super().leads_to(organization, form)
        return reverse("admin:organizations_actor_change", args=[actor.pk])

    def button(self, organization: Organization, form: ActionForm) -> str:
        actor = person_of(organization, form)
        return self.title if actor is None else f"{self.title} {actor.name}"


def keys_that_open(actor: Actor, now: datetime) -> int:
    """Return how many personal keys of somebody open something: none of who may not spend."""
    return live_keys(now=now).filter(actor=actor).count() if actor.active else 0


def card_of(actor: Actor, *, now: datetime) -> Card:
    """Return what a page says of whom it is about."""
    return Card(
        icon="person" if actor.kind == Actor.Kind.USER else "smart_toy",
        title=actor.name,
        note=actor.public_id,
        url=reverse("admin:organizations_actor_change", args=[actor.pk]),
        facts=(
            ("Kind", actor.get_kind_display()),
            ("Status", "active" if actor.active else "switched off"),
            ("Personal keys", str(keys_that_open(actor, now))),
        ),
    )
