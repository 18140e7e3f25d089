"""What the calendar does, as rows: the jobs that run, who has which part of them, and what went wrong.

A *job* is one piece of work over many organizations, such as the renewals that are due at a moment. Workers share it by *leases*: a
lease is a batch of organizations that one worker has for a few seconds and keeps extending while it lives. An organization for which
the work fails is a *failure*, tried again after growing pauses and at last left to staff. What an audit found is a *finding*. A *tick*
says when a task was last rung for. `organizations/jobs/` is the only writer of all but findings.
"""

from django.db import models
from django.db.models import F, Q

from organizations.ids import new_id
from organizations.models.people import Organization


class Job(models.Model):
    """One piece of work over many organizations: for which moment, how far it is, when it ended. At most one of a kind is open."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=40)
    due_at = models.DateTimeField("due by")
    """It does what was due at this moment; what becomes due later is the next job's."""
    total = models.PositiveBigIntegerField()
    """For how many organizations there was something to do when it began; 1 for a job over the whole database."""
    done = models.PositiveBigIntegerField(default=0)
    """For how many of them nothing is left to do, whoever did it."""
    failed = models.PositiveBigIntegerField(default=0)
    cursor = models.UUIDField(null=True)
    """The last organization that was handed out, in the order of their ids."""
    is_handed_out = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind"], condition=Q(finished_at__isnull=True), name="job_one_open_per_kind"
            ),
            models.CheckConstraint(
                name="job_ends_after_it_starts",
                condition=Q(finished_at__isnull=True) | Q(finished_at__gte=F("started_at")),
            ),
        ]
        indexes = [
            models.Index(fields=["-started_at"], name="job_newest_first"),
            models.Index(fields=["kind", "-started_at"], name="job_newest_of_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} due by {self.due_at:%Y-%m-%d %H:%M}"


class Lease(models.Model):
    """A batch of a job's organizations that one worker has: those with `after` < id <= `until` for which there is something to do.

    Past `expires_at` anybody may take it over; the token tells the one who had it that it did.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="leases", db_index=False)
    after = models.UUIDField(null=True)
    until = models.UUIDField(null=True)
    """Null for a job over the whole database."""
    size = models.PositiveIntegerField()
    failed = models.PositiveIntegerField(default=0)
    place = models.JSONField(null=True)
    """Where the work for one organization goes on, by its id, if a run was over before it was."""
    is_one_by_one = models.BooleanField(default=False)
    """Set where the time of a task was not enough to do several at once."""
    worker = models.CharField(max_length=200)
    token = models.UUIDField(default=new_id)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["job", "until"], nulls_distinct=False, name="lease_one_per_batch"
            )
        ]

    def __str__(self) -> str:
        return f"{self.size} of {self.job_id}, {self.worker}"


class Failure(models.Model):
    """That a kind of work fails for an organization: tried three times with growing pauses, then left to staff.

    One that only takes longer than a task may is tried every five minutes, for ever: what is done of it stays done.
    """

    kind = models.CharField(max_length=40)
    organization = models.ForeignKey(
        Organization,
        null=True,
        on_delete=models.PROTECT,
        related_name="failures",
        db_index=False,
        db_constraint=False,
    )
    """Null for a job over the whole database. No constraint: the calendar stands apart from what belongs to organizations."""
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="failures")
    """In which it failed last."""
    attempts = models.PositiveSmallIntegerField(default=1)
    error = models.TextField()
    first_failed_at = models.DateTimeField()
    last_failed_at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True)
    """Null: nobody tries again until staff say so."""
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "organization"],
                condition=Q(resolved_at__isnull=True),
                nulls_distinct=False,
                name="failure_one_open_per_organization",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.organization or 'the whole database'}"


class Finding(models.Model):
    """One row that an audit found to be wrong: which check says so, of what, and why."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="findings")
    organization = models.ForeignKey(
        Organization,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    check_name = models.CharField("check", max_length=200)
    subject = models.CharField(max_length=200)
    detail = models.TextField()

    def __str__(self) -> str:
        return f"{self.check_name}: {self.subject}"


class ClockMark(models.Model):
    """What time the workers last counted it to be: one row, by which a process that begins knows of a leap of the database's clock."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    believed_at = models.DateTimeField()
    said_at = models.DateTimeField()
    counted = models.FloatField()
    machine = models.CharField(max_length=100)
    decisions = models.IntegerField()

    class Meta:
        constraints = [models.CheckConstraint(name="clockmark_only_one", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"{self.believed_at:%Y-%m-%d %H:%M:%S}, said {self.said_at:%Y-%m-%d %H:%M:%S}"


class Tick(models.Model):
    """When a task was last rung for, by its name: the pulse of beat and of the workers."""

    task = models.CharField(primary_key=True, max_length=200)
    ticked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.task} at {self.ticked_at:%Y-%m-%d %H:%M:%S}"
