"""Rows that staff bring from somewhere else: a file that is looked at first, and then carried out, organization by organization.

An *import* is one file. Its *parts* are the organizations that it is about, each done whole or not at all; its *rows* say what the file
said, until they are done, and what became of it. A worker does both, by `usage/services/imports`: what a row makes is decided there.
"""

from django.db import models
from django.db.models import Q

from organizations.ids import new_id
from organizations.models.people import Organization


class Import(models.Model):
    """A file of rows: who brought it and why, whether it was looked at, and how far it is carried out."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=20)
    """What each row is, by the name of its kind in `usage/services/imports`."""
    file_name = models.CharField(max_length=200)
    read_as = models.CharField(max_length=60)
    reason = models.CharField(max_length=300)
    performed_by = models.CharField(max_length=150)
    reach = models.JSONField(default=dict)
    """What keys may open that it mints: no more than who brought it may give."""
    rows = models.PositiveIntegerField()
    parts = models.PositiveIntegerField()
    weight = models.DecimalField(max_digits=30, decimal_places=6, default=0)
    """How many credits it is about: too many for one person alone wait for another."""
    created_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True)
    """When every part was looked at."""
    problems = models.PositiveIntegerField(default=0)
    """How many rows are wrong: with any, nothing is carried out."""
    started_at = models.DateTimeField(null=True)
    started_by = models.CharField(max_length=150, blank=True, default="")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="import_carried_out_after_it_was_checked",
                condition=Q(started_at__isnull=True) | Q(checked_at__isnull=False, problems=0),
            ),
            models.CheckConstraint(
                name="import_finished_after_it_was_started",
                condition=Q(finished_at__isnull=True) | Q(started_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                name="import_to_do",
                condition=Q(checked_at__isnull=True)
                | Q(started_at__isnull=False, finished_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.file_name}, {self.created_at:%Y-%m-%d %H:%M}"


class ImportPart(models.Model):
    """What a file says of one organization."""

    class State(models.TextChoices):
        WAITING = "waiting", "not looked at yet"
        REFUSED = "refused", "wrong"
        READY = "ready", "ready"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    whole = models.ForeignKey(
        Import, on_delete=models.CASCADE, related_name="part_set", db_index=False
    )
    turn = models.PositiveIntegerField()
    """In which order they are done: parents before their children."""
    above = models.PositiveIntegerField(null=True)
    """The turn of the part that makes its parent, if the file brings that too."""
    name = models.CharField(max_length=300)
    """What the file calls the organization, behind its parent if it names one."""
    organization = models.ForeignKey(
        Organization,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    """Whose part it is, once that is known. No constraint: imports stand apart from what belongs to organizations, as jobs do."""
    rows = models.PositiveIntegerField()
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    said = models.CharField(max_length=500, blank=True, default="")
    """What it would make, or made, or why not."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["whole", "turn"], name="importpart_one_per_turn"),
        ]
        indexes = [
            models.Index(fields=["whole", "state", "turn"], name="importpart_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class ImportRow(models.Model):
    """One row of a file. What it said is forgotten once it is done: what became of it stays, by the id of what was made."""

    class State(models.TextChoices):
        WAITING = "waiting", "not looked at yet"
        WRONG = "wrong", "wrong"
        NEW = "new", "would be made"
        KNOWN = "known", "is there already"
        MADE = "made", "made"
        THERE = "there", "was there already"
        FAILED = "failed", "not made"

    whole = models.ForeignKey(
        Import, on_delete=models.CASCADE, related_name="row_set", db_index=False
    )
    part = models.ForeignKey(
        ImportPart, on_delete=models.CASCADE, related_name="row_set", db_index=False
    )
    number = models.PositiveIntegerField()
    """Which row of the file it is, as a spreadsheet counts."""
    cells = models.JSONField(default=dict)
    problems = models.JSONField(default=list)
    """Each a column and a sentence; the column is empty where it is about the whole row."""
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    made = models.CharField(max_length=60, blank=True, default="")
    """The public id of what was made, or was there."""
    said = models.CharField(max_length=300, blank=True, default="")
    secret_hash = models.BinaryField(null=True)
    """Of a key that is to be minted: whoever started the import was told its secret, which nobody kept."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["whole", "number"], name="importrow_one_per_number"),
        ]
        indexes = [
            models.Index(fields=["part", "number"], name="importrow_of_part"),
            models.Index(
                fields=["whole", "number"],
                name="importrow_wrong",
                condition=Q(state__in=["wrong", "failed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"row {self.number}: {self.state}"
