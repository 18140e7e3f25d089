"""The page of a proposal: what it would do now, and the two buttons with which another person does it or refuses it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import simplejson
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.datastructures import MultiValueDict
from django.views import View

from organizations import clock, idempotency, proposals
from organizations.admin.actions import (
    BUSY,
    Action,
    ActionForm,
    Command,
    Outcome,
    log,
    rehearse,
    sentence,
    staff,
    staff_named,
)
from organizations.history import explained
from organizations.idempotency import Answer
from organizations.models import Proposal
from organizations.proposals import NotDecidable

Form = ActionForm


class ProposalView(View):
    """One proposal: looked at by whoever may see it, decided by whoever may do what it asks for."""

    actions: Mapping[str, Action] = {}
    model_admin: ModelAdmin | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.now = clock.now()
        rows = Proposal.objects.select_related("organization")
        self.proposal = get_object_or_404(rows, id=kwargs["id"])
        self.action = self.actions[self.proposal.action]
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, id: UUID) -> HttpResponse:
        form = self._form()
        context: dict[str, Any] = {"asked": asked_in_words(form), "is_open": self._is_open()}
        if context["is_open"] and self._may_decide():
            context |= self._rehearsal(form)
        return self._page(context)

    def post(self, request: HttpRequest, id: UUID) -> HttpResponse:
        if not self._may_decide():
            raise PermissionDenied
        refusals: tuple[type[Exception], ...] = (NotDecidable, *self.action.refusals)
        act = self._approve if request.POST.get("decision") == "approve" else self._refuse
        try:
            stored = idempotency.run(act, key=None, now=self.now)
            messages.success(request, simplejson.loads(stored.body)["message"])
        except refusals as refusal:
            messages.error(request, sentence(refusal))
        except OperationalError:
            messages.error(request, BUSY)
        return redirect("admin:organizations_proposal_change", self.proposal.pk)

    def _approve(self) -> Answer:
        """Do what was proposed. The proposal's lock and state make it happen once."""
        proposal = self._to_decide(approve=True)
        author = proposals.author_of(proposal)
        if author is None or not author.has_perm(self.action.permission):
            raise NotDecidable(f"{proposal.proposed_by} may not do this any more")
        form = self._form()
        if not form.is_valid():
            raise NotDecidable(f"it cannot be done any more: {form.errors.as_text()}")
        outcome = self._perform(form)
        self._decide(proposal, Proposal.State.APPROVED, outcome.sentence)
        return Answer(200, {"message": outcome.sentence})

    def _perform(self, form: Form) -> Outcome:
        author = staff_named(self.proposal.proposed_by)
        both = f"{author}, approved by {staff(self.request.user)}"
        with explained(self.proposal.reason):
            return self.action.perform(self._command(form, both))

    def _refuse(self) -> Answer:
        proposal = self._to_decide(approve=False)
        self._decide(proposal, Proposal.State.REFUSED, "")
        return Answer(200, {"message": f"{self.action.title} is refused. Nothing moved."})

    def _to_decide(self, *, approve: bool) -> Proposal:
        return proposals.to_decide(
            self.proposal.pk, decided_by=self._name(), now=self.now, approve=approve
        )

    def _decide(self, proposal: Proposal, state: Proposal.State, outcome: str) -> None:
        proposals.decide(
            proposal, state=state, decided_by=self._name(), outcome=outcome, now=self.now
        )
        text = f"Proposal of {proposal.proposed_by} {state}. {outcome} Reason: {proposal.reason}"
        log(self.request.user, proposal.organization, CHANGE, text)

    def _may_decide(self) -> bool:
        """Whether who asks may do it for another, or withdraw what is their own."""
        user = self.request.user
        is_own = self.proposal.proposed_by == self._name()
        return self.action.may_approve(user) or (is_own and user.has_perm(self.action.permission))

    def _name(self) -> str:
        return self.request.user.get_username()

    def _rehearsal(self, form: Form) -> dict[str, Any]:
        """Return what it would change now, or why it cannot be done."""
        if not form.is_valid():
            return {"problem": form.errors.as_text()}
        try:
            command = self._command(form, staff_named(self.proposal.proposed_by))
            return {"effects": rehearse(self.action, command).effects}
        except tuple(self.action.refusals) as refusal:
            return {"problem": sentence(refusal)}
        except OperationalError:
            return {"problem": BUSY}

    def _form(self) -> Form:
        data = MultiValueDict({name: list(sent) for name, sent in self.proposal.payload.items()})
        return self.action.form(
            data, organization=self.proposal.organization, user=self.request.user
        )

    def _command(self, form: Form, performed_by: str) -> Command:
        organization = self.proposal.organization
        return Command(organization, form.cleaned_data, performed_by, self.now, self.request.user)

    def _is_open(self) -> bool:
        is_waiting = self.proposal.state == Proposal.State.WAITING
        return is_waiting and self.now < self.proposal.expires_at

    def _page(self, context: dict[str, Any]) -> HttpResponse:
        if self.model_admin is None:
            raise TypeError("a proposal is a page of a model's admin")
        context |= {
            **self.model_admin.admin_site.each_context(self.request),
            "opts": self.model_admin.opts,
            "original": self.proposal,
            "proposal": self.proposal,
            "action": self.action,
            "organization": self.proposal.organization,
            "title": self.action.title,
            "subtitle": self.proposal.organization.name,
            "is_own": self.proposal.proposed_by == self._name(),
            "may_decide": self._may_decide(),
        }
        return TemplateResponse(self.request, "admin/proposal.html", context)


def asked_in_words(form: Form) -> list[tuple[str, str]]:
    """Return what was filled in, as it is understood."""
    form.full_clean()
    values = {field: form.cleaned_data.get(field.name) for field in form.visible_fields()}
    return [(str(field.label), _words(value)) for field, value in values.items()]


def _words(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    return "none" if value in (None, "") else str(value)
