"""How the demo's story is told: scenes in any order, played in that of their moments, through the services."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from heapq import heappop, heappush
from itertools import count, cycle
from random import Random
from typing import Any
from uuid import UUID

from credits.models import Reservation, Wallet
from organizations.models import Actor, Organization, UsageProfile
from usage import services
from usage.models import AIModel
from usage.pricing import Tokens
from usage.services import denials, rates

MADE_BY = "demo"

WHOLE = Decimal(1)
CENT = Decimal("0.01")
MICRO = Decimal("0.000001")

EXACTLY = Decimal(1)
GENEROUSLY = Decimal("1.25")
"""What is held for work of the cost 1, by those who know it and by those who guess."""

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

STANDARD_TIERS = frozenset({UsageProfile.Tier.EVERYDAY, UsageProfile.Tier.ADVANCED})

Scene = Callable[..., object]
"""Something that happens at a moment, which it is given as `now`."""


class Story:
    """Scenes, told in any order and played in that of their moments. A scene may tell what follows from it."""

    def __init__(self, *, ends_at: datetime) -> None:
        self.ends_at = ends_at
        self.random = Random("purser")
        self._scenes: list[tuple[datetime, int, Scene]] = []
        self._told = count()
        self._people: dict[UUID, Iterator[Actor]] = {}
        self._models = list(AIModel.objects.order_by("slug"))
        self._cards = rates.cards_of(self._models, until=ends_at)

    def at(self, moment: datetime, scene: Scene, **details: Any) -> None:
        """Tell a scene. What would come after the end of the story happens at its end."""
        told: Scene = partial(scene, **details)
        heappush(self._scenes, (min(moment, self.ends_at), next(self._told), told))

    def play(self) -> None:
        """Let everything happen, in order."""
        while self._scenes:
            moment, _, scene = heappop(self._scenes)
            scene(now=moment)

    def employ(self, organization: Organization, people: Sequence[Actor]) -> None:
        """Say who does the work of an organization from now on: one after the other."""
        self._people[organization.id] = cycle(people)

    def person_of(self, organization: Organization) -> Actor | None:
        """Return whose turn it is, where people are known."""
        people = self._people.get(organization.id)
        return next(people) if people is not None else None

    def models(self, now: datetime, tiers: frozenset[str] = STANDARD_TIERS) -> list[AIModel]:
        """Return the models of some tiers that have a price at a moment: a new one is used from its day on."""
        return [
            model
            for model in self._models
            if model.tier in tiers
            and not model.is_retired(now)
            and any(begins <= now for begins, _ in self._cards[model.slug])
        ]

    def model(self, now: datetime) -> AIModel | None:
        """Return one that everybody may use, if there is any."""
        models = self.models(now)
        return self.random.choice(models) if models else None

    def work(
        self,
        organization: Organization,
        *,
        total: Decimal,
        pieces: int,
        since: datetime,
        until: datetime,
        step: Decimal = CENT,
        held: Decimal = GENEROUSLY,
    ) -> None:
        """Tell of pieces of work that cost `total` credits together, each a multiple of `step`."""
        moments = self._moments(pieces, since, until)
        for moment, cost in zip(moments, self._parts(total, pieces, step), strict=True):
            details = {"organization": organization, "cost": cost}
            self.at(moment, self._begin, credits=(cost * held).quantize(step), **details)

    def conversations(
        self,
        organization: Organization,
        *,
        pieces: int,
        since: datetime,
        until: datetime,
        **fields: Any,
    ) -> None:
        """Tell of work that is asked for and settled in tokens, so that the rate card says what it costs.

        :param fields: of `usage.services.Work`
        """
        for moment in self._moments(pieces, since, until):
            self.at(moment, self._converse, organization=organization, fields=fields)

    def _moments(self, pieces: int, since: datetime, until: datetime) -> list[datetime]:
        return sorted(since + (until - since) * self.random.random() for _ in range(pieces))

    def _parts(self, total: Decimal, pieces: int, step: Decimal) -> Iterator[Decimal]:
        weights = [self.random.randint(40, 160) for _ in range(pieces)]
        left = total
        for weight in weights[1:]:
            part = (total * weight / sum(weights)).quantize(step)
            left -= part
            yield part
        yield left

    def _begin(
        self, *, organization: Organization, credits: Decimal, cost: Decimal, now: datetime
    ) -> None:
        person, model = self.person_of(organization), self.model(now)
        work = services.Work(organization, credits=credits, actor=person, model=model)
        takes = timedelta(seconds=self.random.randint(2, 40))
        self.at(now + takes, charge, reservation=hold(work, now=now), credits=cost)

    def _converse(
        self, *, organization: Organization, fields: dict[str, Any], now: datetime
    ) -> None:
        person, model = self.person_of(organization), self.model(now)
        if model is None:
            return
        prompt, answer = self.random.randint(600, 6_000), self.random.randint(60, 700)
        asked = Tokens(input=prompt, output=800)
        work = services.Work(organization, tokens=asked, model=model, actor=person, **fields)
        took = Tokens(input=prompt, output=answer)
        takes = timedelta(seconds=2 + answer // 40)
        self.at(now + takes, charge, reservation=hold(work, now=now), tokens=took)


def hold(work: services.Work, *, now: datetime) -> Reservation:
    """Reserve for work in a story where nobody is refused."""
    found = services.reserve(work, performed_by=MADE_BY, now=now)
    if not isinstance(found, Reservation):
        raise found
    return found


def ask_in_vain(work: services.Work, *, now: datetime) -> None:
    """Ask for what will be refused, and keep the denial, as the API does."""
    denied = services.check(work, now=now)
    if not isinstance(denied, services.Decision):
        denials.record(work, denied, now=now)


def charge(
    *,
    reservation: Reservation,
    now: datetime,
    credits: Decimal | None = None,
    tokens: Tokens | None = None,
) -> None:
    """Settle what work cost."""
    services.settle(
        organization=reservation.wallet.organization,
        reservation_id=reservation.id,
        credits=credits,
        tokens=tokens,
        performed_by=MADE_BY,
        now=now,
    )


def balance_of(organization: Organization) -> Decimal:
    return Wallet.objects.get(organization=organization).balance
