"""What staff may do about alerts, one or many: the words of it, the form that asks why, and the service that does it."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import NamedTuple

from django import forms
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextInputWidget

from organizations import alerts
from organizations.admin.actions import visible
from organizations.models import Alert

MANAGE = "organizations.change_alert"
"""Nobody edits an alert: the right to change one is the right to take care of it."""
REFUSALS = (alerts.Resolved, alerts.NotAcknowledged, alerts.NotSilenced, alerts.InThePast)
USUAL_SILENCE = timedelta(days=1)


class NoteForm(forms.Form):
    """Why something is done about an alert."""

    note = forms.CharField(
        label="Reason",
        max_length=300,
        widget=UnfoldAdminTextInputWidget({"autofocus": True}),
        validators=[visible],
        help_text="Kept with the alert, beside your name.",
    )


class SilenceForm(NoteForm):
    """And until when it says nothing."""

    until = forms.SplitDateTimeField(
        label="Until (UTC)",
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Also if it resolves and becomes true again meanwhile.",
    )
    field_order = ("until", "note")


class Deed(NamedTuple):
    """What may be done about an alert: its words, the states in which it makes sense, its form, and the service that does it."""

    slug: str
    title: str
    icon: str
    explanation: str
    service: Callable[..., Alert]
    fits: Collection[str]
    form: type[NoteForm] = NoteForm
    of_many: Callable[..., int] | None = None
    """The service that does it to many at once, if that makes sense; and in which state it leaves them."""
    leads_to: str = ""


DEEDS = (
    Deed(
        "acknowledge",
        "Acknowledge",
        "check",
        "You take care of it. It asks for nobody any more, unless it becomes worse.",
        alerts.acknowledge,
        ("open", "silenced"),
        of_many=alerts.acknowledge_many,
        leads_to="acknowledged",
    ),
    Deed(
        "silence",
        "Silence",
        "notifications_paused",
        "It asks for nobody until a moment, whatever becomes of it, and is looked for all the same.",
        alerts.silence,
        ("open", "acknowledged", "silenced"),
        SilenceForm,
        of_many=alerts.silence_many,
        leads_to="silenced",
    ),
    Deed(
        "reopen",
        "Take the acknowledgement back",
        "undo",
        "It asks for somebody again.",
        alerts.reopen,
        ("acknowledged",),
    ),
    Deed(
        "end-silence",
        "End the silence",
        "notifications_active",
        "It asks for somebody again, before the silence would have ended.",
        alerts.end_silence,
        ("silenced",),
    ),
)
