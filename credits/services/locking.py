"""How a command takes the locks it needs, and finds its wallets as they should be by now."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from credits import ledger
from credits.models import LedgerEntry, Wallet
from credits.services.calendar import post_due
from organizations.models import Organization
from organizations.services import OrganizationArchived


class Locked(NamedTuple):
    """A wallet under its lock, and its parent's if the command needed that too."""

    wallet: Wallet
    parent: Wallet | None


def never(wallet: Wallet) -> bool:
    """Say that a command touches no other wallet than its own."""
    return False


def is_archived(wallet: Wallet) -> bool:
    """Say that what a command frees must go on to the parent."""
    return wallet.organization.status == Organization.Status.ARCHIVED


def lock(
    organization: Organization,
    *,
    now: datetime,
    needs_parent: Callable[[Wallet], bool] = never,
) -> Locked:
    """Lock the wallet of an organization, and its parent's where `needs_parent` says so; post what is due.

    Locks go parent before child, but whether the parent is needed shows only in the child, once it is locked and what is due is
    posted: credits that have lapsed by now cannot keep a refill from firing. So: lock the child alone; if it turns out to need its
    parent, let go (a savepoint gives its locks back, and undoes what was posted) and take both.
    """
    parent_id = organization.parent_id
    if parent_id is None or needs_parent is never:
        (wallet,) = ledger.lock(organization.id)
        post_due(wallet, now=ledger.moment(now, wallet))
        return Locked(wallet, None)
    attempt = transaction.savepoint()
    (wallet,) = ledger.lock(organization.id)
    post_due(wallet, now=ledger.moment(now, wallet))
    if not needs_parent(wallet):
        transaction.savepoint_commit(attempt)
        return Locked(wallet, None)
    transaction.savepoint_rollback(attempt)
    return Locked(*lock_family(organization, now=now))


def lock_terms(organization_id: UUID) -> None:
    """Lock the wallet of an organization whose terms are about to be changed.

    Whoever changes terms raises their version, which is in the wallet's row (a trigger). So that lock comes before those of the rows that
    are changed: the order is wallets, then organizations, then everything else.
    """
    ledger.lock_all([organization_id])


def lock_family(child: Organization, *, now: datetime) -> tuple[Wallet, Wallet]:
    """Lock the wallets of a child and of its parent, in that order of the answer; post what is due.

    :raises Wallet.DoesNotExist: if the organization has no parent
    """
    if child.parent_id is None:
        raise Wallet.DoesNotExist(f"{child.public_id} has no parent")
    parent, wallet = ledger.lock(child.parent_id, child.id)
    post_due(parent, now=ledger.moment(now, parent))
    post_due(wallet, now=ledger.moment(now, wallet))
    return wallet, parent


def lock_sides(sent: LedgerEntry, received: LedgerEntry, *, now: datetime) -> tuple[Wallet, Wallet]:
    """Lock the wallets of both sides of a transfer; return them in the order of the sides."""
    owners = [sent.wallet.organization, received.wallet.organization]
    child = next(owner for owner in owners if owner.parent_id is not None)
    wallets = {wallet.pk: wallet for wallet in lock_family(child, now=now)}
    return wallets[sent.wallet_id], wallets[received.wallet_id]


def require_not_archived(organization: Organization) -> None:
    """Refuse what would bring an archived organization back to life.

    :raises OrganizationArchived: if it is archived
    """
    if organization.status == Organization.Status.ARCHIVED:
        raise OrganizationArchived(f"{organization.public_id} is archived")
