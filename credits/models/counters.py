"""What caps count: the billing periods of a wallet, and the calendar months of those who spend from it."""

from django.db import models
from django.db.models import F, Q

from credits.models.fields import ZERO, AmountField
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
    index = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    term_starts_at = models.DateTimeField()
    term_ends_at = models.DateTimeField()
    term_days = models.PositiveSmallIntegerField()
    """For how many days its term brings an allowance: fewer than a whole one has in a stub, and in a first term that began before them."""
    whole_days = models.PositiveSmallIntegerField()
    """How many days the whole term has that ends with its own."""
    allowance = AmountField(default=ZERO)
    """What a whole term brings by the terms in force: those with which its term began, or more since an upgrade."""
    allowance_per_user = AmountField(default=ZERO)
    """And what a whole term brings for each seat."""
    seats = models.PositiveIntegerField(default=0)
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
            models.CheckConstraint(
                name="billingperiod_ends_after_it_starts", condition=Q(ends_at__gt=F("starts_at"))
            ),
            models.CheckConstraint(
                name="billingperiod_within_its_term",
                condition=Q(starts_at__gte=F("term_starts_at"), ends_at__lte=F("term_ends_at")),
            ),
            models.CheckConstraint(
                name="billingperiod_counters_not_negative",
                condition=Q(
                    used__gte=0, reserved__gte=0, allowance__gte=0, share__gte=0, recharged__gte=0
                ),
            ),
            models.CheckConstraint(
                name="billingperiod_part_of_a_whole_term",
                condition=Q(
                    term_days__gte=1,
                    term_days__lte=F("whole_days"),
                    share__lte=F("allowance_per_user"),
                ),
            ),
            models.CheckConstraint(
                name="billingperiod_closed_as_a_whole",
                condition=Q(closed_at__isnull=True, closing_balance__isnull=True)
                | Q(closed_at__isnull=False, closing_balance__isnull=False),
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
            models.CheckConstraint(
                name="usagecounter_has_one_subject",
                condition=Q(actor=None, group=None)
                | Q(actor=None, resource_type="")
                | Q(group=None, resource_type=""),
            ),
            models.CheckConstraint(
                name="usagecounter_resource_as_a_whole",
                condition=Q(resource_type="", resource_id="")
                | (~Q(resource_type="") & ~Q(resource_id="")),
            ),
            models.CheckConstraint(
                name="usagecounter_amounts_not_negative", condition=Q(used__gte=0, reserved__gte=0)
            ),
            models.CheckConstraint(
                name="usagecounter_free_is_the_organizations",
                condition=Q(free_used=0, free_reserved=0)
                | Q(
                    actor=None,
                    group=None,
                    resource_type="",
                    free_used__gte=0,
                    free_reserved__gte=0,
                ),
            ),
            models.CheckConstraint(name="usagecounter_from_the_first", condition=Q(month__day=1)),
        ]
        indexes = [
            models.Index(
                fields=["group"], name="usagecounter_of_group", condition=Q(group__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}: {self.used.normalize():f}"
