"""Who pays, who spends, and on what terms. This app knows nothing of credits or usage.

An *organization* is a customer. It has at most one level below it: a parent (a reseller, a product) and its children. An *actor* (a
user or an agent) spends for it. Actors are in *groups*: a team, whose limits apply to each member, or one entity group, which is a
bucket they share. A *usage profile* says what an actor may use, and how much of it in a month.
"""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q

from organizations import words
from organizations.history import History
from organizations.ids import new_id, write


class Env(models.TextChoices):
    """Whether something is in earnest, or to try things out."""

    LIVE = "live"
    TEST = "test"


class Organization(models.Model):
    """A customer: the owner of one wallet, of keys, and perhaps the parent of other organizations.

    A trigger (migration 0002) refuses a grandchild and a change of parent: one level, for ever.

    Beside a live organization there may be its *sandbox*: an organization of the env `test` whose keys are the test keys and whose
    credits are play money. The sandboxes of a family are a family of their own, so nothing ever moves between the two: whatever has
    a parent has its parent's env (a foreign key of both), and a sandbox is for ever the sandbox of the same organization (a trigger).
    """

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"
        ARCHIVED = "archived"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        db_index=False,
    )
    env = models.CharField(max_length=4, choices=Env, default=Env.LIVE, editable=False)
    sandbox_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="sandboxes",
        editable=False,
    )
    """The live organization whose sandbox it is; one that was made within a sandbox has none."""
    name = models.CharField(max_length=128)
    status = models.CharField(max_length=9, choices=Status, default=Status.ACTIVE)
    billing_email = models.EmailField(null=True, blank=True)
    external_id = models.CharField(max_length=128, null=True, blank=True)
    """What its parent calls it, or for one without a parent who runs this. An archived one keeps it, and another may have it too."""
    metadata = models.JSONField(default=dict, blank=True)
    ai_enabled = models.BooleanField("AI enabled", default=True)
    entitled_until = models.DateTimeField(null=True, blank=True, help_text="Empty: no end.")
    byok = models.BooleanField(
        "own provider keys", default=False, help_text="Its AI work then costs no credits."
    )
    enabled_providers = ArrayField(
        models.CharField(max_length=40),
        null=True,
        blank=True,
        help_text="Separated by commas. Empty: all of them.",
    )
    default_profile = models.ForeignKey(
        "UsageProfile",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="default_of",
        help_text="Of actors without a profile of their own. Empty: Standard.",
    )
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    version = models.UUIDField(db_default=RandomUUID(), editable=False)
    """Another one after each change of the row (a trigger): by it a process knows whether what it kept of the row still is so."""

    history = History(excluded_fields=["updated_at", "version"])

    class Meta:
        permissions = [("suspend", "Suspend and resume an organization")]
        constraints = [
            models.CheckConstraint(
                name="organization_status_known",
                condition=Q(status__in=["active", "suspended", "archived"]),
            ),
            models.CheckConstraint(
                name="organization_not_its_own_parent", condition=~Q(parent=models.F("id"))
            ),
            models.CheckConstraint(
                name="organization_archived_at_with_status",
                condition=Q(status="archived", archived_at__isnull=False)
                | (~Q(status="archived") & Q(archived_at__isnull=True)),
            ),
            models.CheckConstraint(name="organization_has_a_name", condition=~Q(name="")),
            models.CheckConstraint(
                name="organization_env_as_its_place",
                condition=Q(env="live", sandbox_of__isnull=True)
                | Q(Q(sandbox_of__isnull=False) | Q(parent__isnull=False), env="test"),
            ),
            models.UniqueConstraint(
                fields=["sandbox_of"],
                condition=~Q(status="archived"),
                name="organization_one_sandbox",
            ),
            models.UniqueConstraint(fields=["id", "env"], name="organization_of_env"),
            models.UniqueConstraint(
                fields=["parent", "env", "external_id"],
                condition=Q(external_id__isnull=False) & ~Q(status="archived"),
                nulls_distinct=False,
                name="organization_one_per_external_id",
            ),
        ]
        indexes = [
            words.index("organization_words", words.ORGANIZATION),
            models.Index(fields=["parent", "-id"], name="organization_children"),
            models.Index(fields=["parent", "status", "-id"], name="organization_by_status"),
            models.Index(
                fields=["parent", "external_id", "-id"],
                condition=Q(external_id__isnull=False),
                name="organization_by_external_id",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return write("org", self.id)

    @property
    def is_sandbox(self) -> bool:
        """Whether its credits are play money."""
        return self.env == Env.TEST

    def is_entitled(self, now: datetime) -> bool:
        """Whether it may use AI at all at `now`."""
        return self.ai_enabled and (self.entitled_until is None or now < self.entitled_until)

    def enables(self, provider: str) -> bool:
        """Whether models of this provider may be used. No list means all of them."""
        return self.enabled_providers is None or provider in self.enabled_providers


class UsageProfile(models.Model):
    """What an actor may use: a cap per month, model tiers, features. The system's own have no organization."""

    class Tier(models.TextChoices):
        EVERYDAY = "everyday"
        ADVANCED = "advanced"
        STRATEGIC = "strategic"

    STANDARD = "standard"
    """The slug of the profile that everybody has who has no other."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        Organization,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="usage_profiles",
        db_index=False,
        help_text="Empty: one of the system's, for everybody.",
    )
    name = models.CharField(max_length=120)
    slug = models.CharField(max_length=80)
    description = models.CharField(max_length=500, blank=True)
    credit_cap_per_month = models.DecimalField(
        max_digits=24,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="For each actor. Empty: no cap. 0: nothing may be spent.",
    )
    allowed_model_tiers = ArrayField(
        models.CharField(max_length=10, choices=Tier), default=list, blank=True
    )
    features = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    version = models.UUIDField(db_default=RandomUUID(), editable=False)

    history = History(of_organization=True, excluded_fields=["version"])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "slug"],
                nulls_distinct=False,
                name="usageprofile_one_per_slug",
            ),
            models.CheckConstraint(
                name="usageprofile_slug_form", condition=Q(slug__regex=r"^[a-z][a-z0-9-]*$")
            ),
            models.CheckConstraint(
                name="usageprofile_cap_not_negative", condition=Q(credit_cap_per_month__gte=0)
            ),
            models.CheckConstraint(
                name="usageprofile_tiers_known",
                condition=Q(
                    allowed_model_tiers__contained_by=["everyday", "advanced", "strategic"]
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_unlimited(self) -> bool:
        return self.credit_cap_per_month is None


class Actor(models.Model):
    """Somebody who spends: a person, or an agent. Only people take seats, and bring a share of the allowance."""

    class Kind(models.TextChoices):
        USER = "user"
        AGENT = "agent"

    ERASED = "erased"
    """The name of whoever is erased: inactive, and nothing else names them. SQL knows the word too (`organizations_erase_1`)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="actors", db_index=False
    )
    kind = models.CharField(max_length=5, choices=Kind, default=Kind.USER)
    name = models.CharField(max_length=128)
    email = models.EmailField(null=True, blank=True)
    external_id = models.CharField(max_length=128, null=True, blank=True)
    profile = models.ForeignKey(
        UsageProfile, null=True, blank=True, on_delete=models.PROTECT, related_name="actors"
    )
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    version = models.UUIDField(db_default=RandomUUID(), editable=False)

    history = History(of_organization=True, excluded_fields=["version"])

    class Meta:
        permissions = [("erase", "Erase a person for good")]
        constraints = [
            models.CheckConstraint(
                name="actor_kind_known", condition=Q(kind__in=["user", "agent"])
            ),
            models.CheckConstraint(name="actor_has_a_name", condition=~Q(name="")),
            models.UniqueConstraint(
                fields=["organization", "external_id"], name="actor_one_per_external_id"
            ),
            models.UniqueConstraint(fields=["id", "organization"], name="actor_of_organization"),
        ]
        indexes = [
            words.index("actor_words", words.ACTOR),
            models.Index(fields=["organization", "-id"], name="actor_newest_first"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return write("act", self.id)

    @property
    def is_erased(self) -> bool:
        """Whether nothing names them any more."""
        named = (self.name, self.email, self.external_id)
        return named == (self.ERASED, None, None) and not self.active


class Group(models.Model):
    """Several actors. A team's limit applies to each member; an entity group's is one bucket for all."""

    class Kind(models.TextChoices):
        TEAM = "team"
        ENTITY = "entity"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="groups", db_index=False
    )
    kind = models.CharField(max_length=6, choices=Kind)
    key = models.CharField(max_length=128)
    name = models.CharField(max_length=128)
    profile = models.ForeignKey(
        UsageProfile, null=True, blank=True, on_delete=models.PROTECT, related_name="groups"
    )
    members = models.ManyToManyField(Actor, through="Membership", related_name="groups")
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    history = History(of_organization=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="group_kind_known", condition=Q(kind__in=["team", "entity"])
            ),
            models.CheckConstraint(
                name="group_has_a_key_and_a_name", condition=~Q(key="") & ~Q(name="")
            ),
            models.CheckConstraint(
                name="group_profile_is_for_teams", condition=Q(kind="team") | Q(profile=None)
            ),
            models.UniqueConstraint(
                fields=["organization", "kind", "key"], name="group_one_per_key"
            ),
            models.UniqueConstraint(
                fields=["id", "organization", "kind"], name="group_of_organization"
            ),
        ]
        indexes = [
            words.index("group_words", words.GROUP),
            models.Index(fields=["organization", "-id"], name="group_newest_first"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return write("grp", self.id)


class Membership(models.Model):
    """That an actor is in a group of the same organization; in at most one entity group.

    Organization and kind repeat the group's, so that both rules are constraints: composite foreign keys (migration 0002) tie them
    to the group and to the actor.
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    group = models.ForeignKey(
        Group, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    actor = models.ForeignKey(Actor, on_delete=models.CASCADE, related_name="memberships")
    kind = models.CharField(max_length=6, choices=Group.Kind)

    history = History(of_organization=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("group", "actor", name="membership_once"),
            models.UniqueConstraint(
                fields=["actor"], condition=Q(kind="entity"), name="membership_one_entity_group"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor_id} in {self.group_id}"
