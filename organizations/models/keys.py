"""With what somebody asks, and what is remembered of it.

An *API key* acts for an organization within its scopes, or for one actor. An *idempotency key* remembers the answer of a request that
moved or created something, so that asking twice does it once. A *rate count* is how often somebody asked.
"""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q

from organizations.history import History
from organizations.ids import new_id, write
from organizations.models.people import Actor, Env, Organization
from organizations.models.rules import rules


class ApiKey(models.Model):
    """A credential of one organization. The secret is shown once; only its HMAC is kept.

    Its env is its organization's (a foreign key of both): a test key is a key of a sandbox, and always on the tier `sandbox`.
    """

    class Tier(models.TextChoices):
        STANDARD = "standard"
        PILOT = "pilot"
        PARTNER = "partner"
        SANDBOX = "sandbox"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="api_keys", db_index=False
    )
    actor = models.ForeignKey(
        Actor,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="api_keys",
        help_text="A personal key: it is this actor, and opens only what is the actor's own.",
    )
    name = models.CharField(max_length=120)
    env = models.CharField(max_length=4, choices=Env, default=Env.LIVE)
    scopes = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    rate_limit_tier = models.CharField(max_length=8, choices=Tier, default=Tier.STANDARD)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    hashed_under = models.CharField(
        max_length=8,
        blank=True,
        default="",
        editable=False,
        help_text="Which of the server's secrets the hash was made with, by its name in `manage.py key_secrets`.",
    )
    minted_by = models.CharField(
        max_length=160,
        blank=True,
        editable=False,
        help_text="The key (key_…) or the person of the staff (staff:…) who was told its secret.",
    )
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    rotated_at = models.DateTimeField(null=True, blank=True, editable=False)
    grace_until = models.DateTimeField(null=True, blank=True, editable=False)
    superseded_by = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="supersedes"
    )
    origin = models.ForeignKey(
        "self",
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    """The first of the keys that were rotated into this one; null if it is the first itself."""
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.UUIDField(db_default=RandomUUID(), editable=False)
    """Another one after each change of the row but of when it was used last (a trigger)."""

    history = History(
        of_organization=True,
        excluded_fields=["secret_hash", "hashed_under", "last_used_at", "version"],
    )

    class Meta:
        constraints = [
            models.CheckConstraint(name="apikey_env_known", condition=Q(env__in=["live", "test"])),
            models.CheckConstraint(
                name="apikey_tier_known",
                condition=Q(rate_limit_tier__in=["standard", "pilot", "partner", "sandbox"]),
            ),
            models.CheckConstraint(
                name="apikey_sandbox_tier_for_test_keys",
                condition=Q(env="test", rate_limit_tier="sandbox")
                | (Q(env="live") & ~Q(rate_limit_tier="sandbox")),
            ),
            models.CheckConstraint(
                name="apikey_superseded_means_rotated",
                condition=Q(
                    superseded_by__isnull=True, rotated_at__isnull=True, grace_until__isnull=True
                )
                | Q(
                    superseded_by__isnull=False, rotated_at__isnull=False, grace_until__isnull=False
                ),
            ),
        ]
        indexes = [models.Index(fields=["organization", "-id"], name="apikey_of_organization")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    @property
    def public_id(self) -> str:
        return write("key", self.id)

    @property
    def prefix(self) -> str:
        """What may be shown of a key: everything but the secret."""
        return f"lp_{self.env}_{self.id.hex}"

    @property
    def idempotency_owner(self) -> str:
        """Whose the names are by which it repeats requests: the organization's, or a personal key's own.

        A rotated one goes on with the names of the one before it: what is sent again after the rotation still happens once.
        """
        if self.actor_id is None:
            return IdempotencyKey.ORGANIZATION
        return write("key", self.origin_id or self.id)

    def is_live(self, now: datetime) -> bool:
        """Whether the key opens anything at `now`: not revoked, not expired, not past its grace."""
        ends = [self.revoked_at, self.expires_at, self.grace_until]
        return all(end is None or now < end for end in ends)


class IdempotencyKey(models.Model):
    """The stored answer of one request, for 24 hours. Unique for whoever gave it its name.

    The API keys of an organization share their names; each personal key has its own, and so has the staff of Purser. Nobody can take
    a name of another's, or be answered what another was.
    """

    ORGANIZATION = "organization"
    STAFF = "staff"

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="idempotency_keys", db_index=False
    )
    owner = models.CharField(
        max_length=40,
        default=ORGANIZATION,
        db_default=ORGANIZATION,
        help_text="Whose name it is: the organization's, the staff's, or that of a personal key.",
    )
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status_code = models.SmallIntegerField(null=True)
    format = models.SmallIntegerField(default=0, db_default=0)
    """What the body is: 0 the very bytes of the answer; else what the door that gave it renders to them, in which version."""
    body = models.TextField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "organization", "owner", "key", name="idempotency_key_once_per_owner"
            ),
            rules("organizations_idempotencykey_rules_1", "owner", "status_code", "format", "body"),
        ]
        indexes = [models.Index("created_at", name="idempotency_key_age")]

    def __str__(self) -> str:
        return self.key


class RateCount(models.Model):
    """How many requests somebody made in the running minute, where there is no Redis to count them.

    The table is unlogged (migration 0004): after a crash everybody begins a new minute.
    """

    name = models.CharField(primary_key=True, max_length=120)
    count = models.BigIntegerField()
    ends_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
