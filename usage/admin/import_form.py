"""The form by which staff bring a file: what its rows are, the file, and why."""

from typing import Any

from django import forms
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from organizations import tables
from organizations.admin.actions import sentence, visible
from usage.services import imports
from usage.services.imports import KINDS, Kind


def kinds_for(user: PermissionsMixin | AnonymousUser) -> list[Kind]:
    """Return what somebody may import: what they may make one by one."""
    return [kind for kind in KINDS.values() if user.has_perms(kind.rights)]


class ImportForm(forms.Form):
    """A file of rows. It is read at once, so that what is no table is said here; its rows are looked at afterwards."""

    kind = forms.ChoiceField(label="What the rows are", widget=UnfoldAdminSelectWidget)
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget({"accept": ".csv,.xlsx,text/csv"}),
        help_text="CSV or XLSX, at most 2 MB and 20,000 rows. The first row names the columns.",
        max_length=200,
    )
    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        validators=[visible],
        help_text="Kept in the history of everything that it makes.",
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["kind"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(kind.slug, kind.title) for kind in kinds_for(user)]

    @property
    def chosen(self) -> Kind:
        """What the rows are."""
        return KINDS[self.cleaned_data["kind"]]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if "kind" not in data or "file" not in data:
            return data
        file = data["file"]
        try:
            if file.size > tables.MOST_BYTES:
                raise tables.Unreadable("at most 2 MB are read: divide the file")
            self.table = imports.read_file(self.chosen, file.read())
        except tables.Unreadable as error:
            self.add_error("file", sentence(error))
        return data
