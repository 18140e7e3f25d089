"""Credits that are set aside while work runs, and the counters that its caps compare."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.db.models import F

from credits.ledger.posting import require_exact
from credits.models import ZERO, BillingPeriod, UsageCounter, Wallet


def hold(
    wallet: Wallet,
    period: BillingPeriod,
    credits: Decimal,
    *,
    counter_ids: Sequence[int] = (),
    free_credits: Decimal = ZERO,
    is_new: bool = True,
) -> None:
    """Set credits of a wallet aside, and count them in the period and the counters of their reservation.

    :param is_new: whether they are a hold of their own, or more of one
    :param free_credits: what the work may cost besides and the wallet lacks: set aside of the organization's limit for that
    """
    _count(wallet, period, counter_ids, reserved=credits, opened=int(is_new))
    _count_free(counter_ids, reserved=free_credits)


def free(
    wallet: Wallet,
    period: BillingPeriod,
    credits: Decimal,
    *,
    counter_ids: Sequence[int] = (),
    used: Decimal = ZERO,
    free_credits: Decimal = ZERO,
    free_used: Decimal = ZERO,
    was_open: bool = False,
) -> None:
    """End a hold: its credits are no longer reserved, and `used` of them were spent.

    :param was_open: whether there was one: work is also told without, or after it
    :param free_credits: what it had set aside besides its credits
    :param free_used: what the work cost and was not charged for
    """
    _count(wallet, period, counter_ids, reserved=-credits, used=used, opened=-int(was_open))
    _count_free(counter_ids, reserved=-free_credits, used=free_used)


def count_work(wallet: Wallet, used: Mapping[UsageCounter, Decimal]) -> None:
    """Count work without a hold in counters of a locked wallet."""
    for counter, amount in used.items():
        counter.used += amount
    UsageCounter.objects.bulk_update(used, ["used"])


def _count(
    wallet: Wallet,
    period: BillingPeriod,
    counter_ids: Sequence[int],
    *,
    reserved: Decimal,
    opened: int,
    used: Decimal = ZERO,
) -> None:
    if reserved or opened:
        require_exact(reserved)
        wallet.reserved += reserved
        wallet.open_holds += opened
        wallet.save(update_fields=["reserved", "open_holds"])
    if not reserved and not used:
        return
    require_exact(used)
    period.reserved += reserved
    period.used += used
    period.save(update_fields=["reserved", "used"])
    if counter_ids:
        UsageCounter.objects.filter(id__in=counter_ids).update(
            reserved=F("reserved") + reserved, used=F("used") + used
        )


def _count_free(
    counter_ids: Sequence[int], *, reserved: Decimal = ZERO, used: Decimal = ZERO
) -> None:
    """Count work that is not charged, in that of the counters which is the organization's."""
    if not reserved and not used:
        return
    require_exact(reserved, used)
    own = UsageCounter.objects.filter(id__in=counter_ids, actor=None, group=None, resource_type="")
    own.update(free_reserved=F("free_reserved") + reserved, free_used=F("free_used") + used)
