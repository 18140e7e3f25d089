"""What Purser notices by itself: alerts, what became of each, by which rules they fire, and the warnings that staff set on budgets.

An *alert* is one thing that is true of one subject, from when it was noticed until it is true no more; when it becomes true again, that
is another. Somebody *acknowledges* it, or *silences* it until a moment: both say who, when and why. `organizations/alerts.py` is the only
writer of alerts and of their steps.
"""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from organizations.history import History
from organizations.ids import new_id, write
from organizations.models.people import Actor, Group, Organization

REACHED = 100
"""The percentage at which a budget is used up."""
MOST_PERCENTS = 5
HIGHEST_PERCENT = 1_000


class Alert(models.Model):
    """That something is, or was, true of a subject. At most one of a kind and subject is open.

    Like the rest of the calendar it stands apart from what belongs to organizations, and it holds no name: who it is about is asked when it
    is shown.
    """

    class Kind(models.TextChoices):
        """What may be noticed."""

        NEAR_CAP = "near_cap", "near the cap"
        PERSON_NEAR_CAP = "person_near_cap", "person near the cap"
        SHARED_NEAR_CAP = "shared_near_cap", "shared budget near the cap"
        BUDGET = "budget", "budget warning"
        CAP_SOON = "cap_soon", "cap reached soon"
        DRY_SOON = "dry_soon", "dry soon"
        IN_DEBT = "in_debt", "in debt"
        DEBT_GROWN = "debt_grown", "debt grown"
        REFUSALS = "refusals", "refused more than usual"
        JOB_FAILED = "job_failed", "work left to staff"
        FINDINGS = "findings", "findings of an audit"
        TASK_LATE = "task_late", "task late"
        TASK_OFF = "task_off", "task switched off"

    class Severity(models.IntegerChoices):
        """How much it matters."""

        WARNING = 1
        CRITICAL = 2

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=20, choices=Kind)
    severity = models.PositiveSmallIntegerField(choices=Severity)
    organization = models.ForeignKey(
        Organization,
        null=True,
        on_delete=models.PROTECT,
        related_name="alerts",
        db_index=False,
        db_constraint=False,
    )
    """Null for what concerns the whole installation."""
    actor = models.ForeignKey(
        Actor,
        null=True,
        on_delete=models.CASCADE,
        related_name="alerts",
        db_index=False,
        db_constraint=False,
    )
    group = models.ForeignKey(
        Group,
        null=True,
        on_delete=models.CASCADE,
        related_name="alerts",
        db_index=False,
        db_constraint=False,
    )
    subject = models.CharField(max_length=200, default="")
    """What it is about where that is no row of an organization: a kind of work, a task of the calendar."""
    level = models.PositiveIntegerField(default=0)
    """How far it has come, where that is a question of more or less. A higher one asks for somebody anew."""
    figures = models.JSONField(default=dict)
    """What was seen when it was last looked at: from names to numbers as texts."""
    fired_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, default="")
    silenced_until = models.DateTimeField(null=True)
    silenced_by = models.CharField(max_length=150, default="")
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "kind", "actor", "group", "subject"],
                condition=Q(resolved_at__isnull=True),
                nulls_distinct=False,
                name="alert_one_open_per_subject",
            ),
            models.CheckConstraint(
                name="alert_acknowledged_by_somebody",
                condition=Q(acknowledged_at__isnull=True, acknowledged_by="")
                | (Q(acknowledged_at__isnull=False) & ~Q(acknowledged_by="")),
            ),
            models.CheckConstraint(
                name="alert_silenced_by_somebody",
                condition=Q(silenced_until__isnull=True, silenced_by="")
                | (Q(silenced_until__isnull=False) & ~Q(silenced_by="")),
            ),
            models.CheckConstraint(
                name="alert_resolved_after_it_fired",
                condition=Q(resolved_at__isnull=True) | Q(resolved_at__gte=F("fired_at")),
            ),
        ]
        indexes = [
            models.Index(fields=["-id"], name="alert_open", condition=Q(resolved_at__isnull=True)),
            models.Index(
                fields=["organization", "-id"],
                name="alert_of_organization",
                condition=Q(resolved_at__isnull=True),
            ),
            models.Index(
                fields=["resolved_at"], name="alert_over", condition=Q(resolved_at__isnull=False)
            ),
            models.Index(
                fields=["organization", "kind", "silenced_until"],
                name="alert_silenced",
                condition=Q(silenced_until__isnull=False),
            ),
            models.Index(fields=["actor"], name="alert_of_actor", condition=Q(actor__isnull=False)),
            models.Index(fields=["group"], name="alert_of_group", condition=Q(group__isnull=False)),
        ]

    def __str__(self) -> str:
        """Say what it is without naming anybody: the log of the admin keeps it, also where a person is erased."""
        return f"{self.get_kind_display()}, {self.fired_at:%Y-%m-%d %H:%M}"

    @property
    def public_id(self) -> str:
        return write("alr", self.id)

    def state(self, now: datetime) -> str:
        """Return in a word what became of it: `open`, `acknowledged`, `silenced` or `resolved`."""
        if self.resolved_at is not None:
            return "resolved"
        if self.silenced_until is not None and now < self.silenced_until:
            return "silenced"
        return "open" if self.acknowledged_at is None else "acknowledged"


class AlertStep(models.Model):
    """One thing that became of an alert. Nothing of it changes, but for the note where it is about somebody who is erased."""

    class What(models.TextChoices):
        FIRED = "fired"
        WORSE = "worse", "became worse"
        ACKNOWLEDGED = "acknowledged"
        REOPENED = "reopened", "acknowledgement taken back"
        SILENCED = "silenced"
        UNSILENCED = "unsilenced", "silence ended"
        RESOLVED = "resolved"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="steps")
    what = models.CharField(max_length=12, choices=What)
    at = models.DateTimeField()
    by = models.CharField(max_length=150)
    note = models.CharField(max_length=300, default="")
    until = models.DateTimeField(null=True)
    """For a silence: its end."""
    figures = models.JSONField(default=dict)
    """What was seen at that moment."""

    def __str__(self) -> str:
        return f"{self.what} by {self.by}, {self.at:%Y-%m-%d %H:%M}"


class AlertRule(models.Model):
    """From where on things become an alert: for everybody, or for one organization where it differs.

    Of the row for everybody an empty field is never; of an organization's own it is what holds for everybody.
    """

    organization = models.OneToOneField(
        Organization,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="alert_rule",
        help_text="Empty: for everybody.",
    )
    near_cap_percent = models.PositiveSmallIntegerField(
        "near a cap, percent", null=True, blank=True
    )
    cap_within_days = models.PositiveSmallIntegerField(
        "cap reached within, days", null=True, blank=True
    )
    dry_within_days = models.PositiveSmallIntegerField("dry within, days", null=True, blank=True)
    debt_above = models.DecimalField(max_digits=24, decimal_places=6, null=True, blank=True)
    debt_growth = models.DecimalField(
        "debt grown by, in a day", max_digits=24, decimal_places=6, null=True, blank=True
    )
    refusals_at_least = models.PositiveIntegerField(
        "refusals in a day, at least", null=True, blank=True
    )
    refusals_factor = models.DecimalField(
        "refusals, times the usual", max_digits=6, decimal_places=2, null=True, blank=True
    )

    history = History(of_organization=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(organization__isnull=True),
                nulls_distinct=False,
                name="alertrule_one_for_everybody",
            ),
            models.CheckConstraint(
                name="alertrule_numbers_make_sense",
                condition=Q(
                    near_cap_percent__gte=1,
                    near_cap_percent__lte=REACHED,
                    cap_within_days__gte=1,
                    cap_within_days__lte=90,
                    dry_within_days__gte=1,
                    dry_within_days__lte=90,
                    debt_above__gte=0,
                    debt_growth__gt=0,
                    refusals_at_least__gte=1,
                    refusals_factor__gte=1,
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"Alert rules of {self.organization_id or 'everybody'}"


class BudgetWarning(models.Model):
    """Percentages of a budget that warn and refuse nothing: of an organization, a person or agent, or a group.

    With a budget of its own it is of that. Without one it is of the cap that applies, and says at which percentages of it an alert fires, in
    place of the rule.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="budget_warnings", db_index=False
    )
    actor = models.ForeignKey(
        Actor,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="budget_warnings",
        help_text="Of this person or agent only.",
    )
    group = models.ForeignKey(
        Group,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="budget_warnings",
        help_text="Of this group only: of a shared budget what is drawn from it, of a team what its members use together.",
    )
    budget = models.DecimalField(
        max_digits=24,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="Credits per calendar month. Empty: of the cap that applies.",
    )
    percents = ArrayField(
        models.PositiveSmallIntegerField(), help_text="At which it warns: 80, 100."
    )

    history = History(of_organization=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "actor", "group"],
                nulls_distinct=False,
                name="budgetwarning_one_per_subject",
            ),
            models.CheckConstraint(
                name="budgetwarning_of_one_subject",
                condition=Q(actor__isnull=True) | Q(group__isnull=True),
            ),
            models.CheckConstraint(name="budgetwarning_budget_positive", condition=Q(budget__gt=0)),
            models.CheckConstraint(
                name="budgetwarning_some_percents",
                condition=Q(percents__len__gte=1, percents__len__lte=MOST_PERCENTS),
            ),
        ]

    def __str__(self) -> str:
        at = ", ".join(str(percent) for percent in self.percents)
        return f"Warns at {at} %"
