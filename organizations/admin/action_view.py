"""The three pages of an action: its form, a preview of what it would do, and the confirmation that does it once, or proposes it."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import simplejson
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, models, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views import View

from organizations import clock, idempotency, proposals
from organizations.admin.actions import (
    BUSY,
    USED_BEFORE,
    Action,
    ActionForm,
    Command,
    Outcome,
    log,
    may_use,
    rehearse,
    sentence,
    staff,
)
from organizations.history import explained
from organizations.idempotency import Answer, Key
from organizations.models import IdempotencyKey, Organization, Proposal
from organizations.proposals import SecondPersonNeeded


class ActionView(View):
    """Form → preview → confirmation of one action, on one organization."""

    action: Action = Action()
    model_admin: ModelAdmin | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not may_use(request, self.action):
            raise PermissionDenied
        self.now = clock.now()
        self.organization = get_object_or_404(Organization, id=kwargs["organization_id"])
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        initial = {**request.GET.dict(), "once": uuid4()}
        return self._ask(self._form(initial=initial))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = self._form(request.POST)
        step = request.POST.get("step", "preview")
        if step == "edit" or not form.is_valid():
            return self._ask(form)
        try:
            return self._confirm(form) if step == "confirm" else self._preview(form)
        except tuple(self.action.refusals) as refusal:
            form.add_error(self._field_of(refusal), sentence(refusal))
        except idempotency.IdempotencyConflict:
            form = self._with_new_key()
            form.add_error(None, USED_BEFORE)
        except OperationalError:
            form.add_error(None, BUSY)
        return self._ask(form)

    def _form(self, data: Mapping[str, Any] | None = None, **options: Any) -> ActionForm:
        organization, user = self.organization, self.request.user
        form = self.action.form(data, organization=organization, user=user, **options)
        form.visible_fields()[0].field.widget.attrs["autofocus"] = True
        return form

    def _ask(self, form: ActionForm) -> HttpResponse:
        return self._page("admin/action_form.html", form)

    def _preview(self, form: ActionForm) -> HttpResponse:
        effects, needs_second_person = rehearse(self.action, self._command(form))
        return self._page(
            "admin/action_preview.html",
            form,
            effects=effects,
            needs_second_person=needs_second_person,
        )

    def _confirm(self, form: ActionForm) -> HttpResponse:
        """Do it once, however often it is sent."""
        stored = idempotency.run(lambda: self._answer(form), key=self._key(form), now=self.now)
        body = simplejson.loads(stored.body)
        if "secret" in body:
            page = self._page("admin/action_secret.html", form, **body)
            add_never_cache_headers(page)
            return page
        if "proposal" in body:
            messages.warning(self.request, body["message"])
            return redirect("admin:organizations_proposal_change", body["proposal"])
        if stored.replayed:
            messages.info(self.request, _said(body, " It was done once, not again."))
        else:
            messages.success(self.request, _said(body))
        return redirect(self.action.leads_to(self.organization, form))

    def _answer(self, form: ActionForm) -> Answer:
        try:
            outcome = self._perform_alone(self._command(form))
        except SecondPersonNeeded as needed:
            return self._propose(form, needed.amount)
        text = f"{outcome.sentence} Reason: {form.cleaned_data['reason']}"
        log(self.request.user, self.organization, CHANGE, text)
        body = {"message": outcome.sentence, "made": outcome.made}
        if outcome.secret is None:
            return Answer(200, body)
        body["secret"] = outcome.secret
        return Answer(200, body, replay={"secret": None})

    def _perform_alone(self, command: Command) -> Outcome:
        """Do it, and undo it if it is too much for one person.

        :raises SecondPersonNeeded: if it is
        """
        proposals.one_at_a_time(command.organization, command.performed_by)
        with transaction.atomic(), explained(command.data["reason"]):
            before = self.action.moved(command)
            outcome = self.action.perform(command)
            limit = self.action.alone_up_to(command.user)
            proposals.require_alone(before, self.action.moved(command), limit=limit)
        return outcome

    def _propose(self, form: ActionForm, amount: Decimal) -> Answer:
        asked = Proposal(
            organization=self.organization,
            action=self.action.slug,
            payload=payload_of(self.request, form),
            amount=amount,
            reason=form.cleaned_data["reason"],
            proposed_by=self.request.user.get_username(),
        )
        proposal = proposals.propose(asked, now=self.now)
        text = f"{self.action.title} is proposed. Nothing moved: another person has to approve it by {proposal.expires_at:%Y-%m-%d %H:%M} UTC."
        log(self.request.user, self.organization, CHANGE, f"{text} Reason: {proposal.reason}")
        return Answer(200, {"message": text, "proposal": str(proposal.pk)})

    def _command(self, form: ActionForm) -> Command:
        user = self.request.user
        return Command(self.organization, form.cleaned_data, staff(user), self.now, user)

    def _key(self, form: ActionForm) -> Key:
        data = {name: _plain(value) for name, value in form.cleaned_data.items()}
        value = str(form.cleaned_data["once"])
        return Key.of(self.organization, value, self.action.slug, data, owner=IdempotencyKey.STAFF)

    def _with_new_key(self) -> ActionForm:
        data = self.request.POST.copy()
        data["once"] = str(uuid4())
        return self._form(data)

    def _field_of(self, refusal: Exception) -> str | None:
        fields = self.action.refusals
        return next(fields[cls] for cls in type(refusal).__mro__ if cls in fields)

    def _page(self, template: str, form: ActionForm, **context: Any) -> HttpResponse:
        if self.model_admin is None:
            raise TypeError("an action is a page of a model's admin")
        site = self.model_admin.admin_site
        context |= {
            **site.each_context(self.request),
            "opts": self.model_admin.opts,
            "form": form,
            "back": self.action.leads_to(self.organization, form),
            "action": self.action,
            "card": self.action.card(self.organization, form, now=self.now),
            "button": self.action.button(self.organization, form),
            "organization": self.organization,
            "original": self.organization,
            "title": self.action.title,
            "subtitle": self.organization.name,
        }
        return TemplateResponse(self.request, template, context)


def payload_of(request: HttpRequest, form: ActionForm) -> dict[str, list[str]]:
    """Return what was sent for the fields of a form, also where a field has several inputs."""
    sent = request.POST
    return {
        name: sent.getlist(name)
        for name in sorted(sent)
        if any(name == field or name.startswith(f"{field}_") for field in form.fields)
    }


def _said(body: Mapping[str, Any], more: str = "") -> SafeString | str:
    """Return what was done, with a link to what was made."""
    text = f"{body['message']}{more}"
    made = body.get("made")
    if not made:
        return text
    return format_html('{} <a class="text-link" href="{}">Look at it</a>', text, made)


def _plain(value: Any) -> Any:
    """Return a form's value as the fingerprint of a key reads it: by what it means, not how it was typed."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, models.Model):
        return str(value.pk)
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return value if isinstance(value, Decimal | str | int | None) else str(value)
