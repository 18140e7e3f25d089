"""Usage of the past: pieces of work that were done, and paid for, elsewhere. The reports know of them; nothing is charged."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from organizations.models import Organization
from organizations.services import require_active
from usage.pricing import Tokens
from usage.services import events, terms
from usage.services.events import Told
from usage.services.imports import cells
from usage.services.imports.cells import Column
from usage.services.imports.rows import (
    Collected,
    Doing,
    OfOrganization,
    Outcome,
    Read,
)
from usage.services.told import read_and_price

TOKENS = {
    "input_tokens": "input",
    "cached_input_tokens": "cached_input",
    "cache_write_tokens": "cache_write",
    "output_tokens": "output",
    "reasoning_tokens": "reasoning",
}
MOST_TOKENS = 10**12
WORK_TYPES = ("ai", "agent_run", "app_compute", "job_compute")
RESOURCE_TYPES = ("app", "dataset")
ABOUT = {
    "source": "source",
    "occurredAt": "occurred_at",
    "unknown model": "model",
    "unknown actor": "person",
    "unknown entity": "budget",
}
"""Which column the reason is about for which work is rejected, by how it begins."""


def _tokens(name: str, about: str) -> Column:
    return Column(name, about, cells.whole(MOST_TOKENS))


class History(OfOrganization):
    slug = "usage"
    title = "Usage history"
    about = "Work that was done and paid for before: it is in the reports and charts, and charges nothing, whatever it cost."
    rights = ("usage.add_usageevent",)
    noun = ("piece of work", "pieces of work")
    own = (
        Column("source", "Where it was recorded.", cells.text(64), "old-gateway", required=True),
        Column(
            "id",
            "Its own id there. The same id of the same source is the same work, once for ever.",
            cells.text(128),
            "req-000017",
            required=True,
        ),
        Column(
            "occurred_at",
            "When it was done, with Z or an offset; without one it is in UTC.",
            cells.moment,
            "2026-03-14T15:09:26Z",
            required=True,
        ),
        Column(
            "credits", "What it cost. Either this, or a model and its tokens.", cells.amount, "1.25"
        ),
        Column("model", "The model, as the rate card calls it.", cells.text(80)),
        _tokens("input_tokens", "Tokens that went in."),
        _tokens("cached_input_tokens", "Of these, read from a cache."),
        _tokens("cache_write_tokens", "Of these, written to a cache."),
        _tokens("output_tokens", "Tokens that came out."),
        _tokens("reasoning_tokens", "Of these, reasoning."),
        Column("person", "Who did it, by external id.", cells.text(128), "u-17"),
        Column("budget", "The key of the shared budget it was for.", cells.text(128)),
        Column(
            "work_type",
            f"{', '.join(WORK_TYPES)}. Empty: ai.",
            cells.one_of(*WORK_TYPES),
            default="ai",
        ),
        Column("resource_type", "app or dataset.", cells.one_of(*RESOURCE_TYPES)),
        Column("resource_id", "Which one.", cells.name()),
    )

    def same(self, row: Read) -> Any:
        return (row["source"], row["id"])

    def make_of(
        self, organization: Organization, rows: Sequence[Read], doing: Doing, collected: Collected
    ) -> list[Outcome]:
        told = [_told(row, collected) for row in rows]
        collected.require_none()
        if doing.is_rehearsal:
            return _looked_at(organization, told, rows, doing, collected)
        results = events.record(
            organization=organization,
            told=told,
            performed_by=doing.performed_by,
            now=doing.now,
        )
        for row, result in zip(rows, results, strict=True):
            if result.status == "rejected":
                collected.add(row, *_about(result.reason or ""))
        return [Outcome(result.status == "accepted") for result in results]


def _looked_at(
    organization: Organization,
    told: Sequence[Told],
    rows: Sequence[Read],
    doing: Doing,
    collected: Collected,
) -> list[Outcome]:
    """Say what would become of work without a lock: there may be much of it, and others want the wallet."""
    require_active(organization)
    priced = read_and_price(terms.book_of(organization), told, now=doing.now)
    for row, each in zip(rows, priced, strict=True):
        if each.problem is not None:
            collected.add(row, *_about(each.problem))
    known = events.known(organization, told)
    return [Outcome((each.source, each.id) not in known) for each in told]


def _about(reason: str) -> tuple[str, str]:
    column = next((ABOUT[begin] for begin in ABOUT if reason.startswith(begin)), "model")
    sentence = reason.replace("occurredAt", "occurred_at").rstrip(".")
    return column, f"{sentence[:1].upper()}{sentence[1:]}."


def _told(row: Read, collected: Collected) -> Told:
    counts = {TOKENS[name]: row[name] for name in TOKENS if row[name] is not None}
    if counts and row["credits"] is not None:
        collected.add(row, "credits", "Either credits or tokens, not both.")
    elif not counts and row["credits"] is None:
        collected.add(row, "credits", "Either credits, or a model and its tokens, are needed.")
    if counts and not row["model"]:
        collected.add(row, "model", "Tokens need a model.")
    if bool(row["resource_type"]) != bool(row["resource_id"]):
        missing = "resource_id" if row["resource_type"] else "resource_type"
        collected.add(row, missing, "The type and the id of a resource go together.")
    credits: Decimal | None = row["credits"]
    return Told(
        source=row["source"],
        id=row["id"],
        occurred_at=row["occurred_at"],
        credits=credits,
        tokens=Tokens(**counts) if counts else None,
        model=row["model"],
        actor_external_id=row["person"],
        entity=row["budget"],
        work_type=row["work_type"],
        resource_type=row["resource_type"] or "",
        resource_id=row["resource_id"] or "",
        charge=False,
    )
