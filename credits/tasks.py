"""What time does to credits: for each kind of work, which organizations it is due for, and the one service that does it.

Nothing here is needed for a right answer: the first request after a boundary does the same for its own wallet. So a lost message costs
nothing, a task that runs twice does it once, and one organization that fails keeps nobody else waiting (`organizations/jobs/`).
"""

from datetime import datetime
from typing import Any

from celery import Task, shared_task
from django.db.models import Exists, OuterRef, Q, QuerySet

from credits import seals, services, verification
from credits.ledger import EXPIRED_AT_ONCE
from credits.models import Reservation, Wallet
from credits.services import rehearsing
from organizations.jobs import Portion, Work
from organizations.models import Organization
from organizations.tasks import ring


def _with_an_ended_period(now: datetime) -> QuerySet[Organization]:
    ended = Organization.objects.filter(wallet__period__ends_at__lte=now)
    return ended.exclude(status=Organization.Status.ARCHIVED)


def _with_expired_grants(now: datetime) -> QuerySet[Organization]:
    """Those whose period goes on: at its end the renewal lapses what expires."""
    goes_on = Q(wallet__period__ends_at__gt=now) | Q(status=Organization.Status.ARCHIVED)
    return Organization.objects.filter(goes_on, wallet__lapse_at__lte=now)


def _with_expired_holds(now: datetime) -> QuerySet[Organization]:
    """Wallet by wallet, of those that have holds: an index of all that are open would cost every hold, and be asked once a minute."""
    due = Reservation.objects.filter(
        wallet=OuterRef("wallet"), status=Reservation.Status.OPEN, expires_at__lte=now
    )
    return Organization.objects.filter(Exists(due), wallet__open_holds__gt=0)


def _with_an_ended_cooldown(now: datetime) -> QuerySet[Organization]:
    due = Q(wallet__refill_cooldown_ends_at__lte=now) | Q(wallet__refill_retry_at__lte=now)
    return Organization.objects.filter(due)


def _with_a_ledger(now: datetime) -> QuerySet[Organization]:
    return Organization.objects.filter(wallet__isnull=False)


def _expire(*, organization: Organization, now: datetime, place: dict[str, Any] | None) -> Portion:
    """Give back the next holds whose time has passed; the place says only that there are more."""
    is_last = services.expire(organization=organization, now=now) < EXPIRED_AT_ONCE
    return Portion((), None if is_last else {})


def _verify(*, organization: Organization, now: datetime, place: dict[str, Any] | None) -> Portion:
    """Verify the next entries of a ledger, from the place that was reached."""
    # No other column is read: whatever somebody wrote there, the ledger can be walked.
    wallets = Wallet.objects.only("organization_id", "head_number", "head_hash")
    wallet = wallets.get(organization=organization)
    after = verification.BEGINNING
    if place is not None:
        after = verification.Place(place["number"], bytes.fromhex(place["hash"]))
    walked = verification.walk(wallet, after=after)
    if isinstance(walked, verification.Place):
        return Portion((), {"number": walked.number, "hash": walked.hash.hex()})
    return Portion([] if walked is None else [verification.finding(walked)], None)


def _seal(*, now: datetime, place: dict[str, Any] | None) -> Portion:
    """Check the next wallets of the newest seal, or write them to that of the day."""
    step = seals.seal_on(now, place)
    return Portion([seals.finding(problem) for problem in step.problems], step.place)


RENEW = Work("renew", services.renew, _with_an_ended_period, do_together=services.renew_together)
LAPSE = Work(
    "lapse grants", services.renew, _with_expired_grants, do_together=services.renew_together
)
EXPIRE = Work("expire reservations", _expire, _with_expired_holds, in_portions=True)
REHEARSE = Work("rehearse renewals", rehearsing.rehearse, rehearsing.to_rehearse)
RUN_REHEARSED = Work("run rehearsed renewals", rehearsing.run_rehearsed, rehearsing.to_run)
END_COOLDOWNS = Work("end refill cooldowns", services.end_refill_cooldown, _with_an_ended_cooldown)

VERIFY = Work("verify the ledger", _verify, _with_a_ledger, is_audit=True, in_portions=True)
SEAL = Work("seal the ledger", _seal, is_audit=True, in_portions=True)


@shared_task(bind=True)
def renew(self: "Task[..., int]") -> int:
    """Open the next billing period where one has ended."""
    return ring(self, RENEW)


@shared_task(bind=True)
def lapse_grants(self: "Task[..., int]") -> int:
    """Lapse what remains of grants that have expired."""
    return ring(self, LAPSE)


@shared_task(bind=True)
def expire_reservations(self: "Task[..., int]") -> int:
    """Give back the holds whose time has passed."""
    return ring(self, EXPIRE)


@shared_task(bind=True)
def end_refill_cooldowns(self: "Task[..., int]") -> int:
    """End the refill cooldowns that are over, and try again where the parent was short."""
    return ring(self, END_COOLDOWNS)


@shared_task(bind=True)
def verify_ledger(self: "Task[..., int]") -> int:
    """Walk every hash chain, and keep what does not fit."""
    return ring(self, VERIFY)


@shared_task(bind=True)
def seal_ledger(self: "Task[..., int]") -> int:
    """Write the head of every ledger of the day to a file outside the database, unless the last one no longer fits."""
    return ring(self, SEAL)
