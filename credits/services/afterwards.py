"""A wallet as work that is told afterwards needs it: locked, with what is due posted, and the billing periods that may count it."""

from datetime import datetime
from typing import NamedTuple

from credits import ledger
from credits.services.locking import lock
from organizations.models import Organization
from organizations.statements import fetch_all

_COUNTABLE = """
    SELECT period.id, period.starts_at,
        coalesce(wallet.lapse_at <= clamped.moment, false) OR opened.ends_at <= clamped.moment AS is_due
    FROM credits_wallet wallet
        CROSS JOIN LATERAL (SELECT credits_clamp_1(%s, wallet.posted_at) AS moment) clamped
        JOIN credits_billingperiod opened ON opened.id = wallet.period_id
        JOIN credits_billingperiod period ON period.wallet_id = wallet.id AND period.index >= opened.index - 1
    WHERE wallet.organization_id = %s ORDER BY period.index DESC"""


class Countable(NamedTuple):
    """A billing period that may count work told now."""

    id: int
    starts_at: datetime


def lock_countable(organization: Organization, *, now: datetime) -> list[Countable]:
    """Lock the wallet of an organization, post what is due, and return what may count work told now: the open billing period, and the one
    before it.

    Two statements, where nothing is due: this is asked once for every portion of a batch.
    """
    ledger.lock_row(organization.id)
    found = fetch_all(_COUNTABLE, [now, organization.id])
    if any(is_due for *_, is_due in found):
        lock(organization, now=now)
        found = fetch_all(_COUNTABLE, [now, organization.id])
    return [Countable(id, starts_at) for id, starts_at, _ in found]
