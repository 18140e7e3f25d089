"""What a button of the admin does: a small form, a preview of the effect, and one service call that happens once.

Nothing is kept between the three pages: each carries the form on, and with it an idempotency key that was made with the first. The
preview is a rehearsal: the very command that would run, looked at and rolled back.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from django import forms
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from rest_framework.serializers import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from organizations import proposals
from organizations.admin.delegation import Staff
from organizations.fields import StrictChar
from organizations.models import Organization
from organizations.proposals import Moved, SecondPersonNeeded
from organizations.visible import INEXACT, is_exact

APPROVE = "organizations.approve"
BUSY = (
    "The database did not answer in time, so it is not known whether this was done. "
    "Continue once more: it happens once."
)
USED_BEFORE = (
    "This form was already used, with other values. See whether that was enough; "
    "if you continue, it happens in addition."
)


def visible(text: str) -> None:
    """Refuse what the API refuses in a name: control characters, and those that turn text around."""
    try:
        StrictChar().run_validation(text)
    except ValidationError as error:
        raise forms.ValidationError([str(part) for part in error.args[0]]) from error


def exact(name: str) -> None:
    """Refuse what the API refuses in a name that people match by."""
    if not is_exact(name):
        raise forms.ValidationError(INEXACT)


class ExternalIdField(forms.CharField):
    """What its parent calls an organization; None where nobody said."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            max_length=128,
            strip=False,
            empty_value=None,
            widget=UnfoldAdminTextInputWidget,
            validators=[visible, exact],
            help_text="What its parent calls it. Of those beside each other that are not archived, each has its own.",
        )


class ActionForm(forms.Form):
    """What every action asks for: a reason, and the idempotency key that makes it happen once."""

    own: ClassVar[Mapping[str, Callable[[Organization], QuerySet[Any]]]] = {}
    """From fields that take a row of the organization's own to those rows."""

    once = forms.UUIDField(widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        validators=[visible],
        help_text="Kept for good, beside your name.",
    )

    def __init__(self, *args: Any, organization: Organization, user: Staff, **kwargs: Any) -> None:
        self.organization = organization
        self.user = user
        super().__init__(*args, **kwargs)
        for name, rows in self.own.items():
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = rows(organization)
        asked = [name for name in self.fields if name != "reason"]
        self.order_fields([*asked, "reason"])


class Figure(NamedTuple):
    """A value that an action may change: whose, what it is called, and how it reads now."""

    whose: str
    what: str
    value: str
    weight: Decimal | int | None = None
    """How much it stands in somebody's way, where that can be compared: more is harsher."""


@dataclass(frozen=True)
class Effect:
    """A value before and after an action, as its preview shows it."""

    whose: str
    what: str
    before: str
    after: str
    is_harsher: bool = False
    """Whether it stands in somebody's way more than before."""

    @property
    def changes(self) -> bool:
        return self.before != self.after


Again = Callable[[], Callable[[], Sequence[Effect]]]
"""What was done before, looked at once more by a rule that is about to change. Called once the rule is changed it reads that, and returns what says
what would have come of it: that takes a while, and is asked when the change is undone."""


def nothing_again() -> Callable[[], Sequence[Effect]]:
    """Say nothing of what was done before."""
    return tuple


def compare(before: Sequence[Figure], after: Sequence[Figure]) -> list[Effect]:
    """Return what becomes of each figure; one that there is on one side only is nothing on the other."""
    old, new = ({figure[:2]: figure for figure in side} for side in (before, after))
    pairs = {key: (old.get(key), new.get(key)) for key in [*old, *new]}
    return [
        Effect(*key, was.value if was else "–", now.value if now else "–", _is_harsher(was, now))
        for key, (was, now) in pairs.items()
    ]


def _is_harsher(was: Figure | None, now: Figure | None) -> bool:
    if was is None or now is None or was.weight is None or now.weight is None:
        return False
    return now.weight > was.weight


class Outcome(NamedTuple):
    """What an action did, in a sentence; the secret that it made, if it did; and the page of what it made."""

    sentence: str
    secret: str | None = None
    made: str = ""


class Card(NamedTuple):
    """What an action is about, at the head of its pages: so that nobody stops, reverses or erases another."""

    icon: str
    title: str
    note: str
    """How it is called where there are no names: an id, a prefix."""
    url: str
    facts: Sequence[tuple[str, str]]
    """What tells it from others: when it was used, what became of it."""


class Command(NamedTuple):
    """What an action is told: on whom, what, by whom, when."""

    organization: Organization
    data: Mapping[str, Any]
    performed_by: str
    now: datetime
    user: Staff


class Action:
    """One button on the page of an organization. A subclass says what it asks, what it does, what may refuse it."""

    slug: ClassVar[str]
    title: ClassVar[str]
    icon: ClassVar[str]
    explanation: ClassVar[str]
    permission: ClassVar[str]
    form: ClassVar[type[ActionForm]] = ActionForm
    dangerous: ClassVar[bool] = False
    refusals: ClassVar[Mapping[type[Exception], str | None]] = {}
    """The service's refusals, each with the field it is about; None is the form as a whole."""

    def fits(self, organization: Organization) -> bool:
        """Whether the button makes sense for an organization. The service decides whether it may."""
        return True

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        """Return what the preview compares: the same figures, in the same order, before and after."""
        return [Figure(organization.name, "Status", organization.get_status_display())]

    def figures_of(self, command: Command) -> list[Figure]:
        """Return the same, where whose figures they are depends on what was asked."""
        return self.figures(command.organization, now=command.now)

    def card(self, organization: Organization, form: ActionForm, *, now: datetime) -> Card | None:
        """Return what the action is about, where that is not the organization itself."""
        return None

    def button(self, organization: Organization, form: ActionForm) -> str:
        """Return what the last button says: what is done, and to what."""
        return self.title

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        """Return the page of whoever is done, or changes their mind."""
        return reverse("admin:organizations_organization_change", args=[organization.id])

    def again(self, command: Command) -> Again:
        """Look at what was done before, by the rules as they stand."""
        return nothing_again

    def moved(self, command: Command) -> Moved:
        """Return how much who asks moved by hand on the organization of late: what is too much needs a second person."""
        return Moved()

    def alone_up_to(self, user: Staff) -> Decimal | None:
        """Return how many credits somebody moves by hand alone, on one organization in a day; None: any amount."""
        limit: Decimal | None = settings.SECOND_PERSON_ABOVE
        return limit

    def may_approve(self, user: Staff) -> bool:
        """Whether somebody may do what another proposed: who may approve, and has the right of the thing itself."""
        return user.has_perms((APPROVE, self.permission))

    def perform(self, command: Command) -> Outcome:
        """Make the one service call."""
        raise NotImplementedError


def staff(user: AbstractBaseUser | AnonymousUser) -> str:
    """Return how the ledger and the histories name somebody of the staff."""
    return staff_named(user.get_username())


def staff_named(name: str) -> str:
    """Return how they name who has this name."""
    return f"staff:{name}"


def log(user: AbstractBaseUser | AnonymousUser, about: models.Model, flag: int, text: str) -> None:
    """Write what somebody did into the history of an organization, or of another row, in the transaction that does it."""
    LogEntry.objects.log_actions(
        user_id=user.pk or 0,  # somebody who may do it has an id
        queryset=[about],
        action_flag=flag,
        change_message=text,
        single_object=True,
    )


def sentence(error: Exception) -> str:
    """Return what a service said as people write it: no zeros that say nothing, a capital, a full stop."""
    text = re.sub(r"(\d\.\d*?)0+(?!\d)", r"\1", str(error))
    text = re.sub(r"(\d)\.(?!\d)", r"\1", text).strip()
    return text[:1].upper() + text[1:].rstrip(".") + "."


def may_use(request: HttpRequest, action: Action) -> bool:
    """Whether the person who asks has the permission of an action."""
    return request.user.has_perm(action.permission)


class Rehearsal(NamedTuple):
    """What an action would change, and whether it needs a second person."""

    effects: list[Effect]
    needs_second_person: bool


def rehearse(action: Action, command: Command) -> Rehearsal:
    """Do it, look at what changed, and undo it."""
    with transaction.atomic(durable=True):
        moved = action.moved(command)
        before = _figures(action, command)
        again = action.again(command)
        with transaction.atomic():  # undone at once: until then nobody else has the wallet
            action.perform(command)
            after = _figures(action, command)
            alone = _is_for_one(moved, action.moved(command), action.alone_up_to(command.user))
            others = again()
            transaction.set_rollback(True)
        would_be = others()
        transaction.set_rollback(True)
    effects = [
        Effect(*old[:3], new.value, _is_harsher(old, new))
        for old, new in zip(before, after, strict=True)
    ]
    return Rehearsal([*effects, *would_be], not alone)


def _figures(action: Action, command: Command) -> list[Figure]:
    current = Organization.objects.select_related("parent").get(id=command.organization.id)
    return action.figures_of(command._replace(organization=current))


def _is_for_one(before: Moved, after: Moved, limit: Decimal | None) -> bool:
    try:
        proposals.require_alone(before, after, limit=limit)
    except SecondPersonNeeded:
        return False
    return True
