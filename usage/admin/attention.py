"""Who needs somebody to look: near a cap, dry soon, in debt, refused, about to lose credits; and whose use changed most. As the worker measured it.

Where there are alerts of a kind the first page names whom they are about, silenced or not, and leads to their list.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from credits.templatetags.amounts import shown, shown_signed
from organizations.models import Alert, Env, Organization
from usage.admin.alert_words import VIEW_ALERT
from usage.models import Vitals

ROWS = 4
"""How many of each kind the first page names."""
MOST = 1_000
"""Up to how many it counts."""
HOUR = timedelta(hours=1)


class Concern(NamedTuple):
    """A reason to look at an organization: whom it concerns, in which order, and the figure that says how much."""

    title: str
    icon: str
    tone: str
    right: str
    """Which right shows the rows that it was measured from."""
    condition: Q
    order: str
    figure: Callable[[Vitals, datetime], SafeString | str]
    nobody: str
    """What is said where it concerns nobody."""
    kind: str = ""
    """Which alerts are about the same organizations, if any are."""

    def rows(self) -> QuerySet[Vitals]:
        """Return those that it concerns, the worst first."""
        few = Vitals.objects.filter(self.condition).select_related("organization__parent")
        return few.order_by(self.order, "organization_id")


class Found(NamedTuple):
    """Whom a concern concerns: the first of them, with their figures, and how many they are."""

    slug: str
    concern: Concern
    rows: Sequence[tuple[Vitals, SafeString | str]]
    many: str
    url: str


class Mover(NamedTuple):
    """An organization whose use changed, week against week."""

    vitals: Vitals
    change: SafeString | str
    percent: str
    tone: str


def attention(request: HttpRequest, *, now: datetime) -> tuple[list[Found], list[str]]:
    """Return the concerns that concern somebody, for whoever may see what they were measured from; and of the others, that they do not."""
    found, nobody = [], []
    for slug, concern in CONCERNS.items():
        if not request.user.has_perm(concern.right):
            continue
        rows = list(concern.rows()[:ROWS])
        if not rows:
            nobody.append(concern.nobody)
            continue
        count = len(rows)
        if count == ROWS:
            few = Vitals.objects.filter(concern.condition)
            count = len(few.values_list("pk", flat=True)[: MOST + 1])
        figures = [(row, concern.figure(row, now)) for row in rows]
        said = f"{MOST:,}+" if count > MOST else f"{count:,}"
        found.append(Found(slug, concern, figures, said, _all(request, slug, concern)))
    return found, nobody


def _all(request: HttpRequest, slug: str, concern: Concern) -> str:
    """Return where all of them are: the alerts, for who may see those, or the organizations."""
    if concern.kind and request.user.has_perm(VIEW_ALERT):
        return f"{reverse('admin:organizations_alert_changelist')}?kind__exact={concern.kind}"
    return f"{reverse('admin:organizations_organization_changelist')}?concern={slug}"


def movers() -> list[Mover]:
    """Return the organizations whose use of the last seven whole days differs most from that of the seven before: up and down."""
    rows = Vitals.objects.select_related("organization")
    up = list(rows.filter(change__gt=0).order_by("-change")[:ROWS])
    down = list(rows.filter(change__lt=0).order_by("change")[:ROWS])
    largest = sorted([*up, *down], key=lambda row: -abs(row.change))
    return [_mover(row) for row in largest[: ROWS + 2]]


def _mover(row: Vitals) -> Mover:
    percent = "new"
    if row.week_before > 0:
        percent = f"{row.change * 100 / row.week_before:+,.0f} %".replace("-", "−")
    return Mover(row, shown_signed(row.change), percent, "up" if row.change > 0 else "down")


class ConcernFilter(SimpleListFilter):
    """The organizations that a concern of the first page concerns."""

    title = "needs attention"
    parameter_name = "concern"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        user = request.user
        return [(slug, each.title) for slug, each in CONCERNS.items() if user.has_perm(each.right)]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Organization]
    ) -> QuerySet[Organization]:
        concern = CONCERNS.get(self.value() or "")
        if concern is None or not request.user.has_perm(concern.right):
            return queryset
        whom = Vitals.objects.filter(concern.condition, organization__env=Env.LIVE)
        return queryset.filter(id__in=whom.values("pk"))


def _debt(row: Vitals, now: datetime) -> SafeString | str:
    return shown(-row.debt)


def _share(row: Vitals, now: datetime) -> SafeString:
    share = row.cap_share or Decimal(0)
    width = min(100, int(share * 100))
    return format_html(
        '<span class="bar bar-small" aria-hidden="true"><i class="bar-{}" style="width:{}%"></i></span>{} %',
        "bad" if share >= 1 else "warn",
        width,
        f"{int(share * 100):,}",
    )


def _dry(row: Vitals, now: datetime) -> str:
    return _in(row.dry_at, now) or "nothing left"


def _capped(row: Vitals, now: datetime) -> str:
    return _in(row.capped_at, now) or "any moment"


def _in(moment: datetime | None, now: datetime) -> str:
    """Return how far a moment is away; nothing where it is here."""
    hours = 0 if moment is None else (moment - now) / HOUR
    if hours < 1:
        return ""
    return f"in {int(hours)} h" if hours < 48 else f"in {int(hours / 24)} days"


def _times(row: Vitals, now: datetime) -> str:
    return f"{row.refused:,}×"


def _ending(row: Vitals, now: datetime) -> SafeString:
    day = f"{row.ends_at:%-d %b}" if row.ends_at else ""
    return format_html("{} from {}", shown(row.ending), day)


def _parent(row: Vitals, now: datetime) -> SafeString | str:
    return format_html("{} was short", row.organization.parent)


CONCERNS: Mapping[str, Concern] = {
    "debt": Concern(
        *("In debt", "trending_down", "bad", "credits.view_wallet"),
        *(Q(in_debt__gt=0), "-debt", _debt, "nobody in debt"),
        kind=Alert.Kind.IN_DEBT,
    ),
    "dry": Concern(
        *("Dry soon", "water_drop", "bad", "credits.view_wallet"),
        *(Q(dry__gt=0), "dry_at", _dry, "nobody dry soon"),
        kind=Alert.Kind.DRY_SOON,
    ),
    "cap": Concern(
        *("Near the cap", "speed", "warn", "credits.view_wallet"),
        *(Q(near_cap__gt=0), "-cap_share", _share, "nobody near a cap"),
        kind=Alert.Kind.NEAR_CAP,
    ),
    "capped": Concern(
        *("Cap reached soon", "event_upcoming", "warn", "credits.view_wallet"),
        *(Q(capped_at__isnull=False), "capped_at", _capped, "no cap reached soon"),
        kind=Alert.Kind.CAP_SOON,
    ),
    "refused": Concern(
        *("Refused most, 24 hours", "block", "warn", "usage.view_denial"),
        *(Q(refused__gt=0), "-refused", _times, "nothing refused in 24 hours"),
    ),
    "ending": Concern(
        *("Credits that end within 14 days", "event_busy", "info", "credits.view_grant"),
        *(Q(ends_at__isnull=False), "ends_at", _ending, "no credits that end soon"),
    ),
    "refill": Concern(
        *("Refill refused", "sync_problem", "warn", "credits.view_wallet"),
        *(
            Q(organization__wallet__refill_retry_at__isnull=False),
            "organization_id",
            _parent,
            "no refill refused",
        ),
    ),
}
"""By what the list of organizations calls them in its address."""
