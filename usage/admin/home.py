"""The first page of the admin: what all organizations hold, and who needs somebody to look. Sandboxes hold nothing that counts."""

from datetime import timedelta
from typing import Any

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from credits.admin.ledger import told
from credits.models import ZERO, Grant, LedgerEntry, Reservation, Wallet
from organizations import clock, pulse
from organizations.models import Env, Failure, Organization
from usage.admin.overview import cap_bar

SOON = timedelta(days=14)
ROWS = 6


def index(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the context of the first page what its template shows, for staff who may see wallets."""
    if not request.user.has_perm("credits.view_wallet"):
        return context
    live = Organization.objects.filter(env=Env.LIVE)
    wallets = Wallet.objects.filter(
        organization__env=Env.LIVE, organization__status=Organization.Status.ACTIVE
    )
    now = clock.now()
    return context | {
        "late": pulse.late(now=now),
        "switched_off": pulse.switched_off(),
        "doubted": pulse.doubted(),
        "left_to_staff": _left_to_staff(request),
        "figures": _figures(),
        "statuses": dict(live.values_list("status").annotate(Count("id"))),
        "near_cap": _near_cap(wallets),
        "in_debt": wallets.filter(balance__lt=0)
        .select_related("organization")
        .order_by("balance")[:ROWS],
        "short_parents": _short_parents(wallets),
        "lapsing": _lapsing(),
        "entries": told(
            LedgerEntry.objects.filter(wallet__organization__env=Env.LIVE)
            .select_related("wallet__organization")
            .order_by("-id")[:10]
        ),
    }


def _left_to_staff(request: HttpRequest) -> Any:
    """Return the work that failed too often to be tried again, for staff who may open its page."""
    if not request.user.has_perm("organizations.view_failure"):
        return Failure.objects.none()
    left = Failure.objects.filter(resolved_at=None, next_try_at=None)
    left = left.exclude(organization__env=Env.TEST)
    return left.select_related("organization").order_by("id")[:ROWS]


def _figures() -> dict[str, Any]:
    of_wallets = Wallet.objects.filter(organization__env=Env.LIVE).aggregate(
        held=Coalesce(Sum("balance", filter=Q(balance__gt=0)), ZERO),
        debt=-Coalesce(Sum("balance", filter=Q(balance__lt=0)), ZERO),
        holds_sum=Coalesce(Sum("reserved"), ZERO),
        used=Coalesce(Sum("period__used"), ZERO),
    )
    open_holds = Reservation.objects.filter(
        wallet__organization__env=Env.LIVE, status=Reservation.Status.OPEN
    )
    return of_wallets | {"holds": open_holds.count()}


def _near_cap(wallets: Any) -> list[dict[str, Any]]:
    """Return the organizations that used four fifths of their cap or more, the fullest first."""
    taken = F("period__used") + F("period__reserved")
    rows = (
        wallets.filter(config__monthly_cap__gt=0)
        .annotate(share=taken / F("config__monthly_cap"))
        .filter(share__gte=0.8)
        .select_related("organization", "period", "config")
        .order_by("-share")[:ROWS]
    )
    return [
        {"organization": wallet.organization, "bar": cap_bar(wallet.config, wallet.period)}
        for wallet in rows
    ]


def _short_parents(wallets: Any) -> Any:
    """Return the children whose last refill was refused: the parent was short."""
    refused = wallets.filter(refill_retry_at__isnull=False)
    return refused.select_related("organization__parent", "config").order_by("refill_retry_at")[
        :ROWS
    ]


def _lapsing() -> Any:
    """Return the grants that end soon with something left, other than allowances: those end every term."""
    soon = Grant.objects.filter(
        wallet__organization__env=Env.LIVE,
        live=True,
        expires_at__lte=clock.now() + SOON,
    )
    of_others = soon.exclude(source=Grant.Source.ALLOWANCE)
    return of_others.select_related("wallet__organization").order_by("expires_at")[:ROWS]
