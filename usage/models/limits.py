"""Numbers that change what work is admitted: thresholds of an organization, limits of whoever works."""

from django.db import models
from django.db.models import F, Q

from credits.models import AmountField
from organizations.history import History
from organizations.ids import new_id
from organizations.models import Actor, Group, Organization


class Thresholds(models.Model):
    """Numbers that change behaviour, against what an organization settled in the calendar month."""

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.PROTECT, related_name="thresholds"
    )
    downgrade = AmountField(
        null=True, blank=True, help_text="From here on the provider's fallback does the work."
    )
    shutoff = AmountField(null=True, blank=True, help_text="From here on nothing is admitted.")

    history = History(of_organization=True)

    class Meta:
        verbose_name_plural = "thresholds"
        constraints = [
            models.CheckConstraint(
                name="thresholds_not_negative", condition=Q(downgrade__gte=0, shutoff__gte=0)
            ),
            models.CheckConstraint(
                name="thresholds_downgrade_before_shutoff",
                condition=Q(downgrade__lte=F("shutoff")),
                violation_error_message="The downgrade threshold may not be above the shutoff.",
            ),
        ]

    def __str__(self) -> str:
        return f"Thresholds of {self.organization_id}"


class Limit(models.Model):
    """A cap per calendar month for one subject, or the default for those of its kind that have none.

    Null is no limit, 0 is nothing, no row is the default.
    """

    class Scope(models.TextChoices):
        ACTOR = "actor"
        GROUP = "group"
        RESOURCE = "resource"
        ACTOR_DEFAULT = "actor_default"
        TEAM_DEFAULT = "team_default"
        ENTITY_DEFAULT = "entity_default"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="limits", db_index=False
    )
    scope = models.CharField(max_length=14, choices=Scope)
    actor = models.ForeignKey(
        Actor, null=True, blank=True, on_delete=models.CASCADE, related_name="limits"
    )
    group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.CASCADE, related_name="limits"
    )
    resource_type = models.CharField(max_length=20, blank=True, default="")
    resource_id = models.CharField(max_length=128, blank=True, default="")
    cap = AmountField(null=True, blank=True, help_text="Empty: no limit. 0: nothing.")
    slug = models.CharField(max_length=80, null=True, blank=True)
    owner_id = models.CharField(max_length=128, null=True, blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    history = History(of_organization=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "scope", "actor", "group", "resource_type", "resource_id"],
                nulls_distinct=False,
                name="limit_one_per_subject",
            ),
            models.CheckConstraint(
                name="limit_subject_fits_its_scope",
                condition=(
                    Q(scope="actor", actor__isnull=False, group=None, resource_type="")
                    | Q(scope="group", actor=None, group__isnull=False, resource_type="")
                    | (Q(scope="resource", actor=None, group=None) & ~Q(resource_type=""))
                    | Q(
                        scope__in=["actor_default", "team_default", "entity_default"],
                        actor=None,
                        group=None,
                        resource_type="",
                    )
                ),
            ),
            models.CheckConstraint(
                name="limit_resource_as_a_whole",
                condition=Q(resource_type="", resource_id="")
                | (~Q(resource_type="") & ~Q(resource_id="")),
            ),
            models.CheckConstraint(name="limit_cap_not_negative", condition=Q(cap__gte=0)),
        ]
        indexes = [
            models.Index(
                fields=["organization", "created_at", "id"],
                name="limit_capped_budgets",
                condition=Q(scope="resource", cap__isnull=False),
            )
        ]

    def __str__(self) -> str:
        cap = "no limit" if self.cap is None else f"{self.cap.normalize():f}"
        return f"{self.get_scope_display()}: {cap}"
