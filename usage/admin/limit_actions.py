"""The button that sets the limit of one actor, of one group or of one app: where a refusal says that it was in the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.db import DEFAULT_DB_ALIAS, IntegrityError, transaction
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget

from credits.admin.forms import CreditsField
from credits.admin.raising import raised
from credits.admin.today import cap_in_words
from credits.models import ZERO
from credits.templatetags.amounts import credits
from organizations import ids
from organizations.admin.actions import Action, ActionForm, Again, Command, Figure, Outcome
from organizations.models import Actor, Group, Organization
from organizations.proposals import Moved
from organizations.services import OrganizationArchived
from usage.admin.again import month_again
from usage.models import Limit
from usage.services import budgets, controls, limits, subjects

Scope = Limit.Scope
DEFAULTS = {
    Scope.ACTOR_DEFAULT: "each person without a limit",
    Scope.TEAM_DEFAULT: "each member of a team without a limit",
    Scope.ENTITY_DEFAULT: "each shared budget without a limit",
}


@dataclass(frozen=True)
class Subject:
    """Whom or what a limit is for."""

    name: str
    scope: str
    fields: Mapping[str, Any]
    """The columns of the limit that say so."""

    def limit_in(self, organization: Organization) -> Limit | None:
        """Return its limit, if it has one of its own."""
        own = Limit.objects.filter(organization=organization, scope=self.scope, **self.fields)
        return own.select_related("actor", "group").first()


def subject_of(organization: Organization, text: str) -> Subject | None:
    """Return whom a limit of an organization is for.

    :param text: `act_…`, `grp_…`, the type and the id of an app or dataset: `app/writer`, or a scope that is a default
    """
    for prefix, model, scope in (("act", Actor, Scope.ACTOR), ("grp", Group, Scope.GROUP)):
        if text.startswith(f"{prefix}_"):
            row = _row(model, organization, prefix, text)
            return row and Subject(str(row), scope, {str(scope): row})
    if text in DEFAULTS:
        return Subject(DEFAULTS[Scope(text)], text, {})
    resource_type, slash, resource_id = text.partition("/")
    if not slash or not resource_id:
        return None
    fields = {"resource_type": resource_type, "resource_id": resource_id}
    return Subject(f"{resource_type} {resource_id}", Scope.RESOURCE, fields)


def _row(model: Any, organization: Organization, prefix: str, text: str) -> Any:
    try:
        id = ids.read(prefix, text)
    except ids.MalformedId:
        return None
    return model.objects.filter(organization=organization, id=id).first()


class CapOfOneForm(ActionForm):
    whose = forms.ChoiceField(label="Limit of", widget=UnfoldAdminSelectWidget)
    cap = CreditsField(
        label="Credits in a calendar month",
        required=False,
        min_value=ZERO,
        help_text="Empty: no limit. 0: nothing may be spent.",
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        named = str(self["whose"].value() or "")
        subject = subject_of(organization, named)
        field = self.fields["whose"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(named, subject.name)] if subject else []


class SetLimit(Action):
    slug = "set-limit"
    title = "Set the limit"
    icon = "speed"
    explanation = "How much one of them may spend in a calendar month. It acts at once."
    permission = "usage.change_limit"
    form = CapOfOneForm
    refusals = {
        OrganizationArchived: None,
        subjects.UnknownSubject: "whose",
        subjects.InexactName: "whose",
        IntegrityError: None,
    }

    def fits(self, organization: Organization) -> bool:
        return False  # offered where a limit is in the way

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        """Return the page of whose limit it is; of an app, that of the organization."""
        subject = subject_of(organization, str(form["whose"].value() or ""))
        row = subject and next(iter(subject.fields.values()), None)
        if not isinstance(row, Actor | Group):
            return super().leads_to(organization, form)
        return reverse(f"admin:organizations_{row._meta.model_name}_change", args=[row.pk])

    def figures_of(self, command: Command) -> list[Figure]:
        subject = _subject(command)
        limit = subject.limit_in(command.organization)
        own = "none of its own" if limit is None else cap_in_words(limit.cap)
        figures = [Figure(subject.name, "Credits in a calendar month", own)]
        actor = subject.fields.get("actor")
        return [*figures, *(standing_figures(actor, now=command.now) if actor else ())]

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        return []  # whose they are depends on what was asked

    def again(self, command: Command) -> Again:
        return month_again(command.organization, now=command.now)

    def moved(self, command: Command) -> Moved:
        """Return how much who asks raised it in the last day: a first limit, above what holds without one."""
        limit = _subject(command).limit_in(command.organization)
        if limit is None:
            return Moved()
        author, now = command.performed_by, command.now
        without = without_limit(limit)
        return raised(limit.history, "cap", limit.cap, author=author, now=now, without=without)

    def perform(self, command: Command) -> Outcome:
        subject, cap = _subject(command), command.data["cap"]
        limit = subject.limit_in(command.organization)
        changed = None if limit is None else ["cap"]
        limit = limit or Limit(
            organization=command.organization, scope=subject.scope, **subject.fields
        )
        limit.cap = cap
        controls.save_limit(
            limit=limit, changed=changed, performed_by=command.performed_by, now=command.now
        )
        return Outcome(f"The limit of {subject.name}: {cap_in_words(cap)}.")


def standing_figures(actor: Actor, *, now: datetime) -> list[Figure]:
    """Return what a person used this month, and whether their limit stops new work."""
    standing = budgets.standing_of(actor, now=now)
    cap = standing.terms.cap
    stopped = cap is not None and standing.used >= cap
    said = "refused by the limit" if stopped else "not stopped by the limit"
    return [
        Figure(actor.name, "Used this month", credits(standing.used)),
        Figure(actor.name, "New work", said, int(stopped)),
    ]


def without_limit(limit: Limit) -> Decimal | None:
    """Return which cap would hold if there were no such limit: looked at, and undone."""
    organization = limit.organization
    with transaction.atomic():
        Limit.objects.filter(pk=limit.pk)._raw_delete(using=DEFAULT_DB_ALIAS)
        cap = None
        if limit.actor is not None:
            cap = limits.actor_terms(organization, [limit.actor])[limit.actor.pk].cap
        elif limit.group is not None:
            group = limit.group
            is_team = group.kind == Group.Kind.TEAM
            caps = (
                limits.team_caps(organization, [group])
                if is_team
                else limits.entity_group_caps([group])
            )
            cap = caps[group.pk]
        elif limit.scope == Scope.ACTOR_DEFAULT:
            cap = limits.default_cap(organization)
        transaction.set_rollback(True)
    return cap


def _subject(command: Command) -> Subject:
    subject = subject_of(command.organization, command.data["whose"])
    if subject is None:
        raise subjects.UnknownSubject(f"{command.data['whose']} is not there any more")
    return subject


ACTIONS: tuple[Action, ...] = (SetLimit(),)
