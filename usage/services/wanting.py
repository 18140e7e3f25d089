"""What a piece of work wants of the wallet: its terms, as they are known, put in ids and numbers for the one admission."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from credits import ledger
from credits.ledger import Outcome, Wanted
from credits.models import ZERO, Reservation
from organizations.ids import new_id
from organizations.services import require_active
from usage import policy
from usage.counts import completed, counts_in
from usage.pricing import Counts, Tokens, affordable_output, counts_of, price
from usage.services.asking import Ask, Candidate, Work
from usage.services.book import Book
from usage.services.decisions import (
    AiNotConfigured,
    ModelNotEnabled,
    ModelRetired,
    NotAllowed,
    TierNotAllowed,
)


@dataclass
class Request:
    """A request to hold credits for a piece of work."""

    work: Work
    now: datetime
    mode: str = Reservation.Mode.EXACT
    kind: str = "reserve"
    performed_by: str = ""
    time_to_live: timedelta = timedelta()
    metadata: dict[str, Any] = field(default_factory=dict)
    reservation_id: UUID = field(default_factory=new_id)

    def ask(self, book: Book | None = None) -> Ask:
        """Return the request with the terms that apply to it, if by these it may be made at all.

        :param book: the terms; those that this process knows, unless it is told others
        :raises NotAllowed: if the organization or the actor may not use that
        :raises usage.services.Left: if the model has no price for this work
        :raises OrganizationSuspended: if the organization is suspended
        :raises OrganizationArchived: if it is archived
        """
        ask = Ask(self.work, self.now, book)
        require_active(ask.organization)
        refusal = policy.refuse(ask.terms, ask.offer)
        if refusal is not None:
            raise _not_allowed(refusal, ask)
        return ask

    def wanted(self, ask: Ask) -> Wanted:
        """Return what it wants of the wallet."""
        work, tokens = self.work, self.work.tokens
        return Wanted(
            organization_id=work.organization.id,
            parent_id=work.organization.parent_id,
            now=self.now,
            candidates=self._candidates(ask),
            kind=self.kind,
            versions=ledger.Versions(*ask.versions),
            valid_until=ask.valid_until,
            up_to=self.mode == Reservation.Mode.UP_TO,
            must_hold=work.personal,
            byok=ask.organization.byok,
            downgrade=ask.thresholds.downgrade,
            shutoff=ask.thresholds.shutoff,
            capped=ask.capped,
            reservation_id=self.reservation_id,
            work_type=work.work_type,
            requested_model=_requested(work),
            estimate=estimated(tokens, work.units) if tokens else None,
            metadata=self.metadata,
            performed_by=self.performed_by,
            time_to_live=self.time_to_live,
        )

    def _candidates(self, ask: Ask) -> list[ledger.Candidate]:
        if ask.asked is None:
            return [ledger.Candidate(ask.need)]
        models = [ask.asked, *([ask.fallback] if ask.fallback else [])]
        return [self._candidate(each) for each in models]

    def _candidate(self, candidate: Candidate) -> ledger.Candidate:
        tokens, need = self.work.tokens, candidate.price
        least = None
        if tokens is not None and self.mode == Reservation.Mode.UP_TO:
            some = replace(tokens, output=min(1, tokens.output))
            least = price(candidate.held, some, units=completed(self.work.units))
        # What was estimated to cost nothing is not free: it is not known.
        is_free = need == 0 and tokens is not None
        card = candidate.card.frozen_text(candidate.variant)
        return ledger.Candidate(need, least, is_free, candidate.model.slug, card)


def _requested(work: Work) -> str:
    """Return what the request calls the model that it asks for."""
    return work.model_called or (work.model.slug if work.model else "")


def fitted(wanted: Wanted, outcome: Outcome, ask: Ask) -> Wanted:
    """Return what is wanted where only a part is admitted: in tokens, as many of the output as that buys, at their price."""
    chosen, tokens = chosen_of(ask, outcome), ask.work.tokens
    if tokens is None or chosen is None:
        return wanted
    total = (outcome.held or ZERO) + (outcome.held_free or ZERO)
    output = affordable_output(chosen.held, tokens, total, units=ask.units)
    fitting = replace(tokens, output=output)
    number = (outcome.model or 1) - 1
    candidates = list(wanted.candidates)
    need = price(chosen.held, fitting, units=ask.units)
    candidates[number] = candidates[number]._replace(need=need)
    return replace(wanted, candidates=candidates, estimate=estimated(fitting, ask.work.units))


def estimated(tokens: Tokens, units: Counts) -> dict[str, Any]:
    """Return what a hold is priced for, as it keeps it: tokens by class, and beside them other units."""
    return {**counts_of(tokens), "units": dict(units)} if units else counts_of(tokens)


def estimate_of(kept: Mapping[str, Any]) -> tuple[Tokens, Counts]:
    """Return what a hold keeps of what it is priced for."""
    rest = dict(kept)
    units = counts_in(rest.pop("units", None))
    return Tokens(**rest), units


def chosen_of(ask: Ask, outcome: Outcome) -> Candidate | None:
    """Return the model that the admission chose: the one that was asked for, or its fallback."""
    return ask.fallback if outcome.model == 2 else ask.asked


def _not_allowed(refusal: policy.Refusal, ask: Ask) -> NotAllowed:
    """Return why the terms alone refuse the work. A model's provider and tier are on the public list of models: so they may be told."""
    named, needed = ask.offer, ask.need
    if refusal == "entitlement" or named is None or ask.asked is None:
        entitled = "the organization is not entitled to use AI"
        return AiNotConfigured(entitled, reason="entitlement", needed=needed)
    if refusal == "retired":
        return ModelRetired(ask.asked.model.retirement, reason="retired", needed=needed)
    if refusal == "provider":
        provider = f"{named.model} is of {named.provider}, a provider that is not enabled"
        return ModelNotEnabled(provider, reason="provider", needed=needed)
    tiers = " and ".join(sorted(ask.terms.tiers or ())) or "none"
    tier = f"{named.model} is of tier {named.tier}; the profile allows {tiers}"
    return TierNotAllowed(tier, reason="tier", needed=needed)
