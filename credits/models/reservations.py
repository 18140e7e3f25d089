"""Holds: what work keeps for itself while it runs."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q

from credits.limits import Capped, Limit, explain, limits_of, names_of
from credits.models.counters import BillingPeriod
from credits.models.fields import ZERO, AmountField, rules
from credits.models.wallets import Wallet
from organizations.ids import new_id, write
from organizations.models import Actor, Group


class Reservation(models.Model):
    """A hold on a wallet while work runs. It leaves `open` once; a trigger refuses a second time.

    `open` → `settled`, `released` or `expired`; work that finishes after its hold expired is still charged: `expired` → `settled`,
    with `late`.
    """

    class Status(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"
        RELEASED = "released"
        EXPIRED = "expired"

    class Decision(models.TextChoices):
        ALLOW = "allow"
        DOWNGRADE = "downgrade"

    class Mode(models.TextChoices):
        EXACT = "exact"
        UP_TO = "up_to"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    period = models.ForeignKey(
        BillingPeriod, on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    """The period that was open when the hold was made: its counters carry it to the end."""
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    mode = models.CharField(max_length=5, choices=Mode, default=Mode.EXACT)
    credits = AmountField()
    """What is held; what was held, once it is closed."""
    free_credits = AmountField(default=ZERO, db_default=ZERO)
    """What its work may cost besides, on a free fallback: held of the limit for those, since the pool did not have it."""
    settled_credits = AmountField(null=True)
    late = models.BooleanField(default=False)
    actor = models.ForeignKey(
        Actor, null=True, on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    group = models.ForeignKey(
        Group, null=True, on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    """The entity group whose bucket it counts against."""
    counter_ids = ArrayField(models.BigIntegerField(), default=list)
    """The month's counters that carry it, to the end: later changes of membership do not move it."""
    work_type = models.CharField(max_length=20, default="ai")
    """What kind of work it is for reports: `ai`, `agent_run`, `app_compute`, `job_compute`."""
    resource_type = models.CharField(max_length=20, default="")
    resource_id = models.CharField(max_length=128, default="")
    """The app or dataset that the work is for."""
    requested_model = models.CharField(max_length=80, default="")
    effective_model = models.CharField(max_length=80, default="")
    decision = models.CharField(max_length=9, choices=Decision, default=Decision.ALLOW)
    is_charged = models.BooleanField(default=True)
    """Whether all that the work costs is charged, into debt if need be. Not where the organization brings its own provider keys: then
    nothing is; nor on a free fallback: then as much is as the balance reaches."""
    byok = models.BooleanField(default=False)
    estimate = models.JSONField(null=True)
    """The tokens it was priced for, if it was reserved in tokens."""
    rate_card = models.JSONField(null=True)
    """The prices of the moment of admission, by which its tokens are charged whenever it settles."""
    settled_with = models.JSONField(null=True)
    """What it was settled with, to tell a repeat from a contradiction."""
    figures = ArrayField(
        models.DecimalField(max_digits=24, decimal_places=6, null=True), default=list
    )
    """The figures of the limits that its admission looked at, five of each, as the last command on it left them: see
    `credits.limits.limits_of`."""
    metadata = models.JSONField(default=dict)
    performed_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    settled_entry_id: UUID | None
    """The entry that charged it, if one did: set by who looked for it, and not there otherwise."""

    class Meta:
        permissions = [("release", "Release holds that are open")]
        constraints = [
            rules(
                "credits_reservation_rules_1",
                "status",
                "mode",
                "credits",
                "free_credits",
                "settled_credits",
                "late",
                "decision",
                "is_charged",
                "closed_at",
            ),
        ]
        indexes = [
            models.Index(
                fields=["wallet", "expires_at"], name="reservation_open", condition=Q(status="open")
            ),
            models.Index(
                fields=["wallet", "actor", "expires_at"],
                name="reservation_open_of_actor",
                condition=Q(status="open", actor__isnull=False),
            ),
            models.Index(fields=["wallet", "-id"], name="reservation_of_wallet"),
            models.Index(fields=["wallet", "created_at", "id"], name="reservation_newest_first"),
            # Settled holds are nearly everything there is. What became of the others is found by their status.
            models.Index(
                fields=["wallet", "status", "created_at", "id"],
                name="reservation_of_status",
                condition=~Q(status="settled"),
            ),
            models.Index(
                fields=["group"], name="reservation_of_group", condition=Q(group__isnull=False)
            ),
            # What was held at a moment of long ago: see credits_held_1.
            models.Index(
                F("wallet"),
                Func("created_at", "closed_at", "expires_at", function="credits_lasted_1"),
                F("created_at"),
                name="reservation_held",
                condition=Q(closed_at__isnull=False, credits__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return write("rsv", self.id)

    @property
    def limits_asked(self) -> list[Limit]:
        """The limits that its admission was asked of, as the last command on it left them."""
        return limits_of(self.figures, self._names())

    @property
    def limits(self) -> list[dict[str, Any]]:
        """The same in plain words: amounts as text, and the binding one named."""
        return explain(self.limits_asked)

    @property
    def foreseen(self) -> Decimal:
        """What its work may cost: what is held, and what the pool did not have."""
        return self.credits + self.free_credits

    def status_at(self, now: datetime) -> str:
        """The status as of `now`: past its expiry a hold counts as expired, swept or not."""
        if self.status == self.Status.OPEN and self.expires_at <= now:
            return self.Status.EXPIRED
        return self.status

    def _names(self) -> dict[str, str]:
        capped = [
            Capped("actor", actor_id=self.actor_id),
            Capped("group", group_id=self.group_id),
            Capped("resource", resource_type=self.resource_type, resource_id=self.resource_id),
        ]
        return names_of(self.wallet.organization_id, capped)


class Growth(models.Model):
    """That a hold grew, by what and when: what it held at a moment can be told later."""

    reservation = models.ForeignKey(Reservation, on_delete=models.PROTECT, related_name="growths")
    credits = AmountField()
    grown_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="growth_credits_positive", condition=Q(credits__gt=0))
        ]

    def __str__(self) -> str:
        return f"+{self.credits.normalize():f}"
