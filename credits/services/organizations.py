"""The life of an organization, as far as its wallet is touched: create, suspend, resume, archive, and its terms."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from credits import ledger
from credits.ledger import Note
from credits.models import MAX_AMOUNT, CreditConfig, LedgerEntry, StatusChange, Wallet
from credits.services.allowances import raise_seats, upgrade
from credits.services.calendar import open_first_period
from credits.services.ending import reclaim, release_all
from credits.services.funding import InvalidAmount, NotARoot
from credits.services.locking import (
    lock,
    lock_family,
    lock_terms,
    require_not_archived,
)
from credits.services.pending import cancel_all
from organizations import services as organizations
from organizations.external_ids import one_of_each
from organizations.history import UNSAID, sign
from organizations.ids import new_id
from organizations.models import Env, Organization
from organizations.services import merged_metadata, require_active
from organizations.visible import normal

Status = Organization.Status

TERMS_OF_USE = ("ai_enabled", "entitled_until", "byok", "enabled_providers", "default_profile")
"""On what terms an organization may use AI: the fields of its own that decide about its spending, beside its status."""


class RefillRequiresThresholdAndAmount(Exception):
    """A refill rule needs both its threshold and its amount, or neither."""

    details = {"code": "REFILL_REQUIRES_THRESHOLD_AND_AMOUNT"}


class CancelledAbove(Exception):
    """The parent or the staff ended the subscription: it is not for whoever asks to go on with it."""


class HasActiveChildren(Exception):
    """A parent cannot be archived while its children are not: their credits would have nowhere to go."""


class Archival(NamedTuple):
    """What archiving an organization did."""

    organization: Organization
    reclaimed_credits: Decimal
    revoked_api_keys: int


@transaction.atomic(savepoint=False)
def create_organization(
    *,
    name: str,
    now: datetime,
    id: UUID | None = None,
    parent: Organization | None = None,
    metadata: dict[str, str] | None = None,
    billing_email: str | None = None,
    external_id: str | None = None,
    anchored_on: date | None = None,
    performed_by: str = UNSAID,
    **terms: Any,
) -> Organization:
    """Create an organization with its wallet, its terms and its first billing period.

    :param id: what it will be known by, for a caller that may ask twice; a new one unless said
    :param anchored_on: where its periods begin; the first of the month unless said
    :param terms: other fields of `CreditConfig`; an allowance begins at once, by days from today on, unless `first_term_full`
    :raises NotARoot: if the parent has a parent
    :raises ExternalIdTaken: if another beside it has its external id
    :raises OrganizationSuspended: if the parent is suspended
    :raises OrganizationArchived: if the parent is archived
    """
    if parent is not None:
        if parent.parent_id is not None:
            raise NotARoot(f"{parent.public_id} is a child: it cannot have children")
        # Archiving a parent looks for children under this lock: a new one is seen, or refused here.
        above, _ = lock(parent, now=now)
        require_active(above.organization)
    organization = Organization(
        id=id or new_id(),
        parent=parent,
        env=parent.env if parent else Env.LIVE,
        name=name,
        metadata=metadata or {},
        billing_email=billing_email and normal(billing_email),
        external_id=external_id,
        created_at=now,
        updated_at=now,
    )
    sign(organization, performed_by=performed_by, now=now)
    with one_of_each():
        organization.save(force_insert=True)
    first = anchored_on or now.date().replace(day=1)
    open_wallet(organization, anchored_on=first, performed_by=performed_by, now=now, **terms)
    return organization


def open_wallet(
    organization: Organization, *, now: datetime, performed_by: str, **terms: Any
) -> Wallet:
    """Give a new organization its wallet, its terms and its first billing period."""
    wallet = Wallet.objects.create(organization=organization, created_at=now)
    wallet.config = CreditConfig(wallet=wallet, **terms)
    sign(wallet.config, performed_by=performed_by, now=now)
    wallet.config.save(force_insert=True)
    open_first_period(wallet, now=now)
    return wallet


@transaction.atomic(savepoint=False)
def update_organization(
    *,
    organization: Organization,
    changes: Mapping[str, Any],
    now: datetime,
    performed_by: str = UNSAID,
) -> Organization:
    """Change what an organization says of itself, or on what terms it uses AI; what is not named stays.

    Metadata merges key by key, under the row's lock so that two merges at once both last. Terms of use are changed under the wallet's lock,
    which comes before that.

    :raises MetadataTooLarge: if the merged metadata has too many keys, or is too long
    :raises ExternalIdTaken: if another beside it has its external id
    """
    if not changes.keys().isdisjoint(TERMS_OF_USE):
        lock_terms(organization.id)
    current = Organization.objects.select_for_update(no_key=True).get(id=organization.id)
    for name, value in changes.items():
        setattr(current, name, _changed(current, name, value))
    if changes:
        current.updated_at = now
        sign(current, performed_by=performed_by, now=now)
        with one_of_each():
            current.save(update_fields=[*changes, "updated_at"])
    return current


def _changed(organization: Organization, name: str, value: Any) -> Any:
    """Return what a field becomes."""
    if name == "metadata":
        return merged_metadata(organization.metadata, value)
    return normal(value) if name == "billing_email" and value else value


@transaction.atomic(savepoint=False)
def suspend(
    *, organization: Organization, now: datetime, performed_by: str = UNSAID
) -> Organization:
    """Stop an organization and its children from spending, until it is resumed. Suspending twice is once.

    A child reads its parent's status under its own lock only, so those are taken too: what a child was admitted before is there when
    this returns, and nothing is admitted after.

    :raises OrganizationArchived: if it is archived
    """
    lock(organization, now=now)
    ledger.lock_children(organization.id)
    return _set_status(organization, Status.SUSPENDED, performed_by=performed_by, now=now)


@transaction.atomic(savepoint=False)
def resume(
    *, organization: Organization, now: datetime, performed_by: str = UNSAID
) -> Organization:
    """Let a suspended organization spend again. Resuming twice is once.

    :raises OrganizationArchived: if it is archived
    """
    return _set_status(organization, Status.ACTIVE, performed_by=performed_by, now=now)


def _set_status(
    organization: Organization, status: Status, *, performed_by: str, now: datetime
) -> Organization:
    """Change the status under the wallet's lock, so that no admission is half-way past it."""
    wallet, _ = lock(organization, now=now)
    current = wallet.organization
    require_not_archived(current)
    if current.status != status:
        current.status = status
        current.updated_at = now
        sign(current, performed_by=performed_by, now=now)
        current.save(update_fields=["status", "updated_at"])
        StatusChange.objects.create(wallet=wallet, status=status, changed_at=now)
    return current


@transaction.atomic(savepoint=False)
def archive(*, organization: Organization, now: datetime, performed_by: str = UNSAID) -> Archival:
    """Archive an organization, for ever: revoke its keys and return what no hold needs to its parent.

    What is left of the allowance lapses. What ending holds free later follows the same way. Its sandbox ends with it. Repeating it
    changes nothing.

    :raises HasActiveChildren: if some of its children are not archived
    """
    wallet, parent = _lock_to_archive(organization, now=now)
    current = wallet.organization
    if current.status == Status.ARCHIVED:
        return Archival(current, Decimal(0), 0)
    if current.children.exclude(status=Status.ARCHIVED).exists():
        raise HasActiveChildren(f"{current.public_id} has children that are not archived")
    _lock_sandboxes(current)
    reclaimed = _archive(wallet, parent, performed_by=performed_by, now=now)
    for sandbox in current.sandboxes.exclude(status=Status.ARCHIVED):
        close_sandbox(sandbox=sandbox, performed_by=performed_by, now=now)
    revoked = organizations.revoke_all_keys(
        organization=current, performed_by=performed_by, now=now
    )
    return Archival(current, reclaimed, revoked)


@transaction.atomic(savepoint=False)
def close_sandbox(*, sandbox: Organization, performed_by: str, now: datetime) -> None:
    """Archive a sandbox with all that was made in it, and end the holds there.

    Keys of whoever was made in it are revoked. Keys of a live organization's sandbox are left to the caller: they end with that
    organization, and outlive a reset.
    """
    # A child is made under the lock of its parent's wallet: it is there now, or never will be.
    _lock_to_archive(sandbox, now=now)
    for child in sandbox.children.exclude(status=Status.ARCHIVED).order_by("id"):
        close_sandbox(sandbox=child, performed_by=performed_by, now=now)
    wallet, parent = _lock_to_archive(sandbox, now=now)
    if wallet.organization.status == Status.ARCHIVED:
        return
    release_all(wallet, now=now)
    _archive(wallet, parent, performed_by=performed_by, now=now)
    if sandbox.sandbox_of_id is None:
        organizations.revoke_all_keys(organization=sandbox, performed_by=performed_by, now=now)


def _lock_sandboxes(live: Organization) -> None:
    """Lock the wallets of an organization's sandbox and of its parent's, which closing it takes; after the row of the organization.

    Its status decides for the sandbox too, so writing it would lock the sandbox's wallet before that of the sandbox's parent.
    """
    Organization.objects.select_for_update(no_key=True).get(id=live.id)
    of_both = Organization.objects.filter(sandbox_of__in=[live.id, live.parent_id])
    in_use = of_both.exclude(status=Status.ARCHIVED)
    ledger.lock_all(list(in_use.values_list("id", flat=True)))


def _archive(wallet: Wallet, parent: Wallet | None, *, performed_by: str, now: datetime) -> Decimal:
    """Archive the organization of a locked wallet; return what its parent got."""
    current = wallet.organization
    current.status = Status.ARCHIVED
    current.archived_at = current.updated_at = now
    sign(current, performed_by=performed_by, now=now)
    current.save(update_fields=["status", "archived_at", "updated_at"])
    StatusChange.objects.create(wallet=wallet, status=Status.ARCHIVED, changed_at=now)
    cancel_all(wallet, reason="archived", performed_by=performed_by, now=now)
    return reclaim(wallet, parent, now=now)


def _lock_to_archive(organization: Organization, *, now: datetime) -> tuple[Wallet, Wallet | None]:
    if organization.parent_id is None:
        return lock(organization, now=now)
    return lock_family(organization, now=now)


@transaction.atomic(savepoint=False)
def update_terms(
    *,
    organization: Organization,
    changes: dict[str, Any],
    performed_by: str,
    now: datetime,
    asked_by: Organization | None = None,
) -> Wallet:
    """Change some of an organization's terms; what is not named stays. Returns its wallet as it is now.

    A higher seat limit brings the shares of the users who are active now at once; a lower one takes nothing away.

    The rule of both or neither is decided on the merged terms, under the wallet's lock: of two changes at once, each to one side, one
    is refused.

    :param asked_by: whose key asks; None is the staff
    :raises RefillRequiresThresholdAndAmount: if only one of the two would be set
    :raises CancelledAbove: if it would undo a cancellation of somebody above whoever asks
    :raises OrganizationArchived: if the organization is archived
    """
    wallet, _ = lock(organization, now=now)
    require_not_archived(wallet.organization)
    changes = changes | _cancellation(wallet.config, changes, organization, asked_by)
    _change(wallet, changes, performed_by=performed_by, now=now)
    if "seat_limit" in changes:
        raise_seats(wallet, why="another seat limit", performed_by=performed_by, now=now)
    return wallet


@transaction.atomic(savepoint=False)
def upgrade_terms(
    *,
    organization: Organization,
    allowance: Decimal,
    allowance_per_user: Decimal,
    reason: str,
    performed_by: str,
    now: datetime,
) -> LedgerEntry | None:
    """Change the allowances of an organization at once: more is funded for what is left of the running term, by days, today included.

    Less is not taken away: it is so from the next boundary. Only what is more than the running term has in force is funded, so to repeat
    it changes nothing, and down and up again brings nothing twice.

    :returns: the entry, if there was something to fund
    :raises InvalidAmount: if one of them is negative, or too large
    :raises OrganizationArchived: if the organization is archived
    """
    for amount in (allowance, allowance_per_user):
        if not 0 <= amount <= MAX_AMOUNT:
            raise InvalidAmount(f"0 or more and at most {MAX_AMOUNT:f} expected, {amount:f} given")
    wallet, _ = lock(organization, now=now)
    require_not_archived(wallet.organization)
    changes = {"allowance": allowance, "allowance_per_user": allowance_per_user}
    _change(wallet, changes, performed_by=performed_by, now=now)
    return upgrade(wallet, note=Note(performed_by, now, reason))


def _change(wallet: Wallet, changes: dict[str, Any], *, performed_by: str, now: datetime) -> None:
    """Write changes of the terms of a locked wallet.

    :raises RefillRequiresThresholdAndAmount: if only one of the two would be set
    """
    config = wallet.config
    for name, value in changes.items():
        setattr(config, name, value)
    require_whole_rule(config.refill_threshold, config.refill_amount)
    if changes:
        sign(config, performed_by=performed_by, now=now)
        config.save(update_fields=list(changes))


def require_whole_rule(threshold: Decimal | None, amount: Decimal | None) -> None:
    """Refuse half a refill rule.

    :raises RefillRequiresThresholdAndAmount: if only one of the two is set
    """
    if (threshold is None) != (amount is None):
        raise RefillRequiresThresholdAndAmount(
            "set both refillThreshold and refillAmount, or neither"
        )


def _cancellation(
    config: CreditConfig,
    changes: dict[str, Any],
    organization: Organization,
    asked_by: Organization | None,
) -> dict[str, Any]:
    """Return whose the cancellation is, if the changes cancel or undo one."""
    if "cancel_at_period_end" not in changes:
        return {}
    order = list(CreditConfig.Canceller)
    asking = _canceller(organization, asked_by)
    # What was cancelled before it was noted by whom is the staff's.
    before = CreditConfig.Canceller(config.cancelled_by or CreditConfig.Canceller.STAFF)
    if not config.cancel_at_period_end:
        return {"cancelled_by": asking if changes["cancel_at_period_end"] else ""}
    if changes["cancel_at_period_end"]:
        return {"cancelled_by": max(before, asking, key=order.index)}
    if order.index(asking) < order.index(before):
        raise CancelledAbove(f"the {before} cancelled it, and alone may undo that")
    return {"cancelled_by": ""}


def _canceller(organization: Organization, asked_by: Organization | None) -> CreditConfig.Canceller:
    if asked_by is None:
        return CreditConfig.Canceller.STAFF
    own = asked_by.id == organization.id
    return CreditConfig.Canceller.ORGANIZATION if own else CreditConfig.Canceller.PARENT
