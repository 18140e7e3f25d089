"""How a rule is changed, whichever it is: its form, then what the change would do today, then a reason and one confirmation.

A page of rules writes nothing that was not confirmed: everything that Django's pages save or delete goes through `RuleAdmin`, so a field that
is added to a form is previewed, explained and kept like every other.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.widgets import UnfoldAdminTextInputWidget

from credits.admin.raising import raised
from credits.models import ZERO
from organizations import clock
from organizations.admin import ExportedAdmin
from organizations.admin.actions import (
    Again,
    Effect,
    Figure,
    compare,
    nothing_again,
    staff,
    visible,
)
from organizations.history import REASON_LENGTH, explained
from organizations.models import Organization

STEP, REASON, NEXT = "step", "reason", "next"
ALREADY = "It was done once, not again."
UNCHANGED = "Nothing was changed."
_OF_THE_PAGES = {STEP, REASON, "csrfmiddlewaretoken"}


class ReasonForm(forms.Form):
    """Why a rule is changed."""

    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=UnfoldAdminTextInputWidget({"autofocus": True}),
        validators=[visible],
        help_text="Kept for good in the history, beside your name.",
    )


@dataclass(frozen=True)
class Change:
    """What would be written: of which row, with which form (none: it is deleted), and how."""

    row: Any
    form: forms.ModelForm | None
    is_new: bool
    write: Callable[[], None]

    @property
    def verb(self) -> str:
        return "Delete" if self.form is None else "Add" if self.is_new else "Change"


class Unconfirmed(Exception):
    """Nobody has confirmed it yet: first its effect is shown."""

    def __init__(self, change: Change) -> None:
        super().__init__(f"{change.verb} {change.row}: not confirmed")
        self.change = change


class NeedsAnother(Exception):
    """It is too much for one person: what was confirmed waits for another."""

    def __init__(self, change: Change, reason: str) -> None:
        super().__init__(f"{change.verb} {change.row}: not for one person")
        self.change, self.reason = change, reason


class Reopened:
    """A form that is shown again as it was filled in, and saves nothing."""

    def is_valid(self) -> bool:
        return False


class RuleAdmin(ExportedAdmin):
    """Rows that are rules. A subclass says what a change means today, and how it is written."""

    empty_means: ClassVar[Mapping[str, str]] = {}
    """What a field says that is left empty, in words."""
    zero_means: ClassVar[Mapping[str, str]] = {}
    """And what it says with a 0."""

    raises: ClassVar[Mapping[str, str]] = {}
    """The fields whose raise may be too much for one person, each with the action by which it is proposed."""

    def without(self, row: Any) -> Decimal | None:
        """Return what would hold without a rule: from there on a rule that is not a day old is raised."""
        return ZERO

    def proposing(self, row: Any, slug: str, value: Decimal | None) -> str:
        """Return the page on which a raise is proposed, filled in."""
        raise NotImplementedError

    def needs_another(self, request: HttpRequest, change: Change) -> str:
        """Return in words how much a change is that is not for one person alone; nothing where it is."""
        return ""

    def propose(self, request: HttpRequest, change: Change, reason: str) -> HttpResponse:
        """Write down such a change for another person, and lead to it."""
        raise NotImplementedError

    def impact(self, row: Any, *, now: datetime) -> list[Figure]:
        """Return what a rule means today, from the figures of this period: asked before and after the change."""
        return []

    def again(self, row: Any, *, now: datetime) -> Again:
        """Look at what was done before, by the rules as they stand."""
        return nothing_again

    def write(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        """Write a row that is new, or what changed of another."""
        super().save_model(request, obj, form, change)

    def erase(self, request: HttpRequest, obj: Any) -> None:
        """Delete a row."""
        super().delete_model(request, obj)

    def save_model(
        self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool
    ) -> None:
        if change and not form.changed_data:
            _said(request, UNCHANGED)
            return
        write = partial(self.write, request, obj, form, change)
        self._do(request, Change(obj, form, not change, write))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self._do(request, Change(obj, None, False, partial(self.erase, request, obj)))

    def _do(self, request: HttpRequest, change: Change) -> None:
        """Write what is confirmed.

        :raises Unconfirmed: if it is not
        :raises NeedsAnother: if it is too much for one person
        """
        reason = ReasonForm(request.POST)
        is_confirmed = request.POST.get(STEP) == "confirm" and reason.is_valid()
        if not is_confirmed or self._too_much(request, change):
            raise Unconfirmed(change)
        if self.needs_another(request, change) and _differs(change):
            raise NeedsAnother(change, reason.cleaned_data[REASON])
        effects = self._fields(change)
        if not _differs(change):
            _said(request, ALREADY)
            return
        with explained(reason.cleaned_data[REASON]):
            change.write()
        told = ", ".join(
            f"{each.what}: {each.before} → {each.after}" for each in effects if each.changes
        )
        _said(request, f"{self._named(change.row)}: {told}.")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Unconfirmed as asked:
            return self._preview(request, asked.change)
        except NeedsAnother as asked:
            return self.propose(request, asked.change, asked.reason)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Show what goes with it at once; Django's own page only says what stands in the way."""
        row = self.get_object(request, object_id)
        if request.method == "GET" and row is not None and self._may_go(request, row):
            change = Change(row, None, False, partial(self.erase, request, row))
            return self._preview(request, change)
        try:
            return super().delete_view(request, object_id, extra_context)
        except Unconfirmed as asked:
            return self._preview(request, asked.change)
        except NeedsAnother as asked:
            return self.propose(request, asked.change, asked.reason)

    def _may_go(self, request: HttpRequest, row: Any) -> bool:
        if not self.has_delete_permission(request, row):
            return False
        *_, lacking, protected = self.get_deleted_objects([row], request)
        return not lacking and not protected

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if request.method == "POST" and request.POST.get(STEP) == "edit":
            return type(form.__name__, (Reopened, form), {})
        return form

    def _preview(self, request: HttpRequest, change: Change) -> HttpResponse:
        """Show what a change would do: done, looked at, and undone."""
        fields = self._fields(change)
        now = clock.now()
        with transaction.atomic():
            before, again = self.impact(change.row, now=now), self.again(change.row, now=now)
            with transaction.atomic():  # undone at once: until then nobody else has the wallet
                change.write()
                after, others = self.impact(change.row, now=now), again()
                transaction.set_rollback(True)
            would_be = others()
            transaction.set_rollback(True)
        effects = [*(each for each in fields if each.changes), *compare(before, after), *would_be]
        return TemplateResponse(
            request, "admin/rule_preview.html", self._context(request, change, effects)
        )

    def _context(
        self, request: HttpRequest, change: Change, effects: list[Effect]
    ) -> dict[str, Any]:
        was_asked = request.POST.get(STEP) == "confirm"
        sent = [
            (name, value)
            for name, values in request.POST.lists()
            if name not in _OF_THE_PAGES
            for value in values
        ]
        if change.form is None:
            sent = [("post", "yes")]
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{change.verb} {self.opts.verbose_name}",
            "subtitle": self._named(change.row),
            "change": change,
            "named": self._named(change.row),
            "effects": effects,
            "is_harsher": any(each.is_harsher for each in effects),
            "sent": sent,
            "proposing": self._too_much(request, change),
            "needs_another": self.needs_another(request, change),
            "form": ReasonForm(request.POST if was_asked else None),
            "back": self.came_from(request) or reverse(self._list()),
            "is_popup": IS_POPUP_VAR in request.POST or IS_POPUP_VAR in request.GET,
        }

    def _too_much(self, request: HttpRequest, change: Change) -> str:
        """Return where it is proposed instead, if a field is raised by more than one person may alone."""
        limit = settings.SECOND_PERSON_ABOVE
        if change.form is None or change.is_new or limit is None:
            return ""
        current = self.model._default_manager.get(pk=change.row.pk)
        for name in self.raises.keys() & set(change.form.changed_data):
            value, author = change.form.cleaned_data[name], staff(request.user)
            history, now = current.history, clock.now()
            said: dict[str, Any] = {"author": author, "now": now, "without": self.without(current)}
            after = raised(history, name, value, **said)
            before = raised(history, name, getattr(current, name), **said)
            if after.brought > max(limit, before.brought):
                return self.proposing(current, self.raises[name], value)
        return ""

    def _fields(self, change: Change) -> list[Effect]:
        """Return what becomes of each field of the form that somebody changed, or of the row itself."""
        if change.form is None:
            return [Effect("", str(self.opts.verbose_name).capitalize(), "there", "deleted")]
        form = change.form
        row = None if change.is_new else self.model._default_manager.get(pk=change.row.pk)
        names = form.cleaned_data if change.is_new else form.changed_data
        return [
            Effect(
                "",
                str(form.fields[name].label or name.replace("_", " ").capitalize()),
                "–" if row is None else self.in_words(form, name, _current(row, form, name)),
                self.in_words(form, name, form.cleaned_data[name]),
            )
            for name in names
            if name in form.fields
        ]

    def in_words(self, form: forms.ModelForm, name: str, value: Any) -> str:
        """Return a value as a preview says it: an empty field and a 0 are often opposites, so neither is left blank."""
        if value is None or value in ("", []):
            return self.empty_means.get(name, "none")
        if isinstance(value, Decimal | int) and value == 0 and name in self.zero_means:
            return self.zero_means[name]
        if isinstance(value, str):
            choices = dict(getattr(form.fields[name], "choices", None) or ())
            return str(choices.get(value, value))
        return plainly(value)

    def _named(self, row: Any) -> str:
        heading: Callable[[Any], str] = getattr(self, "heading", str)
        return heading(row)

    def came_from(self, request: HttpRequest) -> str:
        """Return the page of ours that led here, if it said so."""
        target = request.GET.get(NEXT, "")
        own = url_has_allowed_host_and_scheme(
            target, {request.get_host()}, require_https=request.is_secure()
        )
        return target if own else ""

    def _list(self) -> str:
        return f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        said = vars(request).get("rule_said", UNCHANGED)
        reason = request.POST.get(REASON, "")
        return f"{said} Reason: {reason}" if reason else said

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._answer(request, super().response_add(request, obj, post_url_continue))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return self._answer(request, super().response_change(request, obj))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        return self._answer(request, super().response_delete(request, obj_display, obj_id))

    def message_user(
        self,
        request: HttpRequest,
        message: Any,
        level: Any = messages.INFO,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Say in words what was done, instead of what a row is called in the database."""
        if level == messages.SUCCESS:
            message = vars(request).get("rule_said", UNCHANGED)
        super().message_user(request, message, level, *args, **kwargs)

    def _answer(self, request: HttpRequest, answer: HttpResponse) -> HttpResponse:
        """Lead back to where somebody came from."""
        back = self.came_from(request)
        stays = {"_continue", "_addanother", "_saveasnew", IS_POPUP_VAR} & request.POST.keys()
        return redirect(back) if back and not stays else answer


def proposal_page(organization: Organization, slug: str, **filled: Any) -> str:
    """Return the page of an action, filled in: empty is no limit."""
    url = reverse(f"admin:organizations_organization_{slug}", args=[organization.pk])
    values = {name: "" if value is None else str(value) for name, value in filled.items()}
    return f"{url}?{urlencode(values)}"


def plainly(value: Any) -> str:
    """Return a value as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(sorted(str(each) for each in value)) or "none"
    return str(value)


def _said(request: HttpRequest, text: str) -> None:
    vars(request)["rule_said"] = text


def _differs(change: Change) -> bool:
    """Whether there is anything to write: what is sent twice is there already."""
    if change.form is None or change.is_new:
        return True
    form, row = change.form, type(change.row)._default_manager.get(pk=change.row.pk)
    return any(
        _plain(_current(row, form, name)) != _plain(form.cleaned_data[name])
        for name in form.changed_data
    )


def _current(row: Model, form: forms.ModelForm, name: str) -> Any:
    """Return what a field is in the database; of one that is none of the model's, what the page showed."""
    return getattr(row, name) if hasattr(row, name) else form.fields[name].initial


def _plain(value: Any) -> Any:
    is_many = isinstance(value, Iterable) and not isinstance(value, str)
    return {*value} if is_many else value or None if isinstance(value, str) else value
