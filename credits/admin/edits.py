"""What the pages of edited rows have in common: a save names only what was changed on the page, and its history is kept."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.postgres.forms import SimpleArrayField
from django.db import IntegrityError
from django.db.models import DecimalField, Field
from django.forms import Field as FormField
from django.forms import ModelForm
from django.http import HttpRequest
from django.shortcuts import redirect

from credits.admin.forms import CreditsField
from credits.admin.rules import RuleAdmin
from credits.models import ZERO
from credits.templatetags.amounts import credits
from organizations import clock
from organizations.admin import Change, Headed, HistoryAdmin, PublicIdSearch
from organizations.admin.actions import sentence, staff, visible
from organizations.history import sign
from organizations.idempotency import again

REASON_LENGTH = 100
"""How much of a name fits beside a change."""


FASTER = "Somebody else saved the same meanwhile. Look at what there is, and try again."


class AmountChange(Change):
    """A change of which amounts are written as people read them."""

    def prepare_delta_change_value(self, change: Any, value: Any) -> Any:
        value = super().prepare_delta_change_value(change, value)
        return credits(value) if isinstance(value, Decimal) else value


class EditedAdmin(RuleAdmin, Headed, HistoryAdmin, PublicIdSearch):
    """Rows that staff edit. Who changed what is in the history, from which nothing is put back."""

    list_per_page = 50
    actions: Any = None
    formfield_overrides: ClassVar[dict[Any, Any]] = {
        DecimalField: {"form_class": CreditsField, "widget": CreditsField.widget}
    }
    help_texts: ClassVar[Mapping[str, str]] = {}
    """What the page says of a field, where the model says nothing or less."""
    smallest: ClassVar[Mapping[str, Decimal]] = {}
    """The least amount of a field; 0 where it is not named."""
    deletable: ClassVar[bool] = False
    refusals: tuple[type[Exception], ...] = ()
    """What only the service can know, because somebody else was faster: said above the page, which is opened again."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.deletable and super().has_delete_permission(request, obj)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        row = self.get_object(request, object_id)
        headed = {"object": row} if row is not None else {}
        return super().history_view(request, object_id, {**headed, **(extra_context or {})})

    def get_historical_record_context_helper(
        self, request: HttpRequest, historical_record: Any
    ) -> Change:
        return AmountChange(self.model, historical_record)

    def formfield_for_dbfield(
        self, db_field: Field, request: HttpRequest, **kwargs: Any
    ) -> FormField | None:
        """Make a field that knows what the page showed: only what differs from that is a change.

        Without it a save would also undo what somebody else changed since the page was opened.
        """
        if isinstance(db_field, DecimalField):
            kwargs["min_value"] = self.smallest.get(db_field.name, ZERO)
        kwargs["help_text"] = self.help_texts.get(db_field.name, db_field.help_text)
        field: FormField | None = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.show_hidden_initial = True
        text = field.base_field if isinstance(field, SimpleArrayField) else field
        if isinstance(text, forms.CharField):
            text.validators.append(visible)
        return field

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        view = super().changeform_view
        try:
            return again(lambda: view(request, *args, **kwargs))
        except self.refusals as refusal:
            self.message_user(request, sentence(refusal), messages.ERROR)
        except IntegrityError:
            self.message_user(request, FASTER, messages.ERROR)
        return redirect(request.get_full_path())

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        view = super().delete_view
        try:
            return again(lambda: view(request, *args, **kwargs))
        except self.refusals as refusal:
            self.message_user(request, sentence(refusal), messages.ERROR)
        return redirect(request.get_full_path())

    def write(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        self.store(obj, changes, is_new=not change, author=author(request), now=clock.now())

    def store(
        self, row: Any, changes: dict[str, Any], *, is_new: bool, author: str, now: datetime
    ) -> None:
        """Write a row: all of a new one, and the changes of another."""
        current = row if is_new else self.model._default_manager.get(pk=row.pk)
        for name, value in changes.items():
            setattr(current, name, value)
        sign(current, performed_by=author)
        current.save(force_insert=is_new, update_fields=None if is_new else list(changes))

    def erase(self, request: HttpRequest, obj: Any) -> None:
        sign(obj, performed_by=author(request))
        self.remove(obj, author=author(request), now=clock.now())

    def remove(self, row: Any, *, author: str, now: datetime) -> None:
        """Delete a row."""
        row.delete()


def author(request: HttpRequest) -> str:
    """Return who asks, as the history of a change has room for it."""
    return staff(request.user)[:REASON_LENGTH]
