"""The button of an organization that one person pressed, and another has to: what it would do now, and doing it."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from django.db import OperationalError
from django.utils.datastructures import MultiValueDict

from organizations.admin.actions import (
    BUSY,
    Action,
    ActionForm,
    Command,
    rehearse,
    sentence,
    staff_named,
)
from organizations.admin.approvals import Approval, Shown, asked_in_words, words
from organizations.admin.delegation import Staff
from organizations.models import Organization, Proposal
from organizations.proposals import NotDecidable
from usage.admin.organizations import ACTIONS

BY_SLUG = {action.slug: action for action in ACTIONS}
PROPOSED = {slug for slug, action in BY_SLUG.items() if type(action).moved is not Action.moved}
"""The actions that may be too much for one person."""


class ActionApproval(Approval[Proposal]):
    """A proposal of an organization."""

    model = Proposal

    @classmethod
    def known(cls) -> Iterable[str]:
        return PROPOSED

    @classmethod
    def right_of(cls, action: str) -> str:
        return BY_SLUG[action].permission

    @classmethod
    def may_approve(cls, user: Staff, action: str) -> bool:
        return BY_SLUG[action].may_approve(user)

    @cached_property
    def action(self) -> Action:
        return BY_SLUG[self.proposal.action]

    @property
    def icon(self) -> str:
        return self.action.icon

    @property
    def title(self) -> str:
        return self.action.title

    @property
    def about(self) -> Organization:
        return self.proposal.organization

    @property
    def effect(self) -> str:
        return f"about {words(self.proposal.amount)} credits"

    @property
    def refusals(self) -> Mapping[type[Exception], None]:
        return dict.fromkeys(self.action.refusals)

    def asked(self, user: Staff) -> list[tuple[str, str]]:
        return asked_in_words(self._form(user))

    def shown(self, user: Staff) -> Shown:
        form = self._form(user)
        if not form.is_valid():
            return Shown(problem=form.errors.as_text())
        try:
            command = self._command(form, staff_named(self.proposal.proposed_by), user)
            return Shown(rehearse(self.action, command).effects)
        except tuple(self.refusals) as refusal:
            return Shown(problem=sentence(refusal))
        except OperationalError:
            return Shown(problem=BUSY)

    def perform(self, performed_by: str, user: Staff) -> str:
        form = self._form(user)
        if not form.is_valid():
            raise NotDecidable(f"it cannot be done any more: {form.errors.as_text()}")
        return self.action.perform(self._command(form, performed_by, user)).sentence

    def _form(self, user: Staff) -> ActionForm:
        data = MultiValueDict({name: list(sent) for name, sent in self.proposal.payload.items()})
        return self.action.form(data, organization=self.about, user=user)

    def _command(self, form: ActionForm, performed_by: str, user: Staff) -> Command:
        return Command(self.about, form.cleaned_data, performed_by, self.now, user)
