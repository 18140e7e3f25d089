"""What caps count: the billing periods of a wallet, and the calendar months of those who spend from it."""

from django.db import models
from django.db.models import Q

from credits.models.fields import ZERO, AmountField, rules
from credits.models.wallets import Wallet
from organizations.models import Actor, Group


class BillingPeriod(models.Model):
    """One billing period of one wallet: what its cap counts, and the frame of its statement.

    `used` and `reserved` belong to the holds that were opened in the period, whenever they settle. The statement belongs to the
    entries that were posted in it, so a closed statement never changes. Each period begins where the one before it ended: a
    foreign key from (wallet, starts_at) to (wallet, ends_at) says so (migration 0002).
    """

    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="periods", db_index=False
    )
    index = models.IntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    term_starts_at = models.DateTimeField()
    term_ends_at = models.DateTimeField()
    term_days = models.SmallIntegerField()
    """For how many days its term brings an allowance: fewer than a whole one has in a stub, and in a first term that began before them."""
    whole_days = models.SmallIntegerField()
    """How many days the whole term has that ends with its own."""
    allowance = AmountField(default=ZERO)
    """What a whole term brings by the terms in force: those with which its term began, or more since an upgrade."""
    allowance_per_user = AmountField(default=ZERO)
    """And what a whole term brings for each seat."""
    seats = models.IntegerField(default=0)
    """How many shares of an allowance its term has brought by now: it is raised, never lowered, and a term carries it on."""
    share = AmountField(default=ZERO)
    """What each seat has brought in its term: its part of the allowance per user, by days."""
    used = AmountField(default=ZERO)
    reserved = AmountField(default=ZERO)
    recharged = AmountField(default=ZERO, db_default=ZERO)
    """What was bought in it by recharges, less what was taken back of these since: what the recharge limit compares."""
    opening_balance = AmountField()
    closing_balance = AmountField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("wallet", "index", name="billingperiod_one_per_index"),
            models.UniqueConstraint("wallet", "starts_at", name="billingperiod_one_per_start"),
            models.UniqueConstraint(fields=["wallet", "ends_at"], name="billingperiod_one_per_end"),
            models.UniqueConstraint(
                fields=["wallet"],
                condition=Q(closed_at__isnull=True),
                name="billingperiod_one_open",
            ),
            rules(
                "credits_billingperiod_rules_1",
                "index",
                "starts_at",
                "ends_at",
                "term_starts_at",
                "term_ends_at",
                "term_days",
                "whole_days",
                "allowance",
                "allowance_per_user",
                "seats",
                "share",
                "used",
                "reserved",
                "recharged",
                "closing_balance",
                "closed_at",
            ),
        ]
        indexes = [
            models.Index(
                fields=["ends_at"], name="billingperiod_due", condition=Q(closed_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d} – {self.ends_at:%Y-%m-%d}"

    @property
    def stub(self) -> str:
        """Why its term brings only a part of an allowance, and which; nothing of a whole one."""
        if self.term_days == self.whole_days:
            return ""
        return f"stub, begins after its anchor: {self.term_days} of {self.whole_days} days"


class UsageCounter(models.Model):
    """What one subject used and has reserved in one calendar month: the organization, an actor, an entity group, a resource.

    Without an actor, a group and a resource it is the organization's own. It lives here and not in `usage`, because whoever ends a
    hold frees its counters: the calendar, an archive, a denial that first clears what has expired.
    """

    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, related_name="counters", db_index=False
    )
    month = models.DateField()
    actor = models.ForeignKey(
        Actor, null=True, on_delete=models.PROTECT, related_name="counters", db_index=False
    )
    group = models.ForeignKey(
        Group, null=True, on_delete=models.PROTECT, related_name="counters", db_index=False
    )
    resource_type = models.CharField(max_length=20, default="")
    resource_id = models.CharField(max_length=128, default="")
    used = AmountField(default=ZERO)
    reserved = AmountField(default=ZERO)
    free_used = AmountField(default=ZERO, db_default=ZERO)
    """The organization's: what work on free fallbacks would have cost besides, at list price. Caps do not count it, its limit does."""
    free_reserved = AmountField(default=ZERO, db_default=ZERO)
    """And what running work may add to that."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "month", "actor", "group", "resource_type", "resource_id"],
                nulls_distinct=False,
                name="usagecounter_one_per_subject",
            ),
            rules(
                "credits_usagecounter_rules_1",
                "month",
                "actor",
                "group",
                "resource_type",
                "resource_id",
                "used",
                "reserved",
                "free_used",
                "free_reserved",
            ),
        ]
        indexes = [
            models.Index(
                fields=["group"], name="usagecounter_of_group", condition=Q(group__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}: {self.used.normalize():f}"
