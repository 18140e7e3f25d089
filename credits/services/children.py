"""A child with all that it begins with: its terms, its opening balance, its key. All of it is there, or nothing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from credits.models import LedgerEntry
from credits.services.funding import NotARoot
from credits.services.organizations import create_organization, require_whole_rule
from credits.services.transfers import allocate
from organizations.models import ApiKey, Organization
from organizations.services import mint_key


@dataclass(frozen=True)
class Opening:
    """Credits that a child begins with, out of its parent's prepaid ones."""

    amount: Decimal
    expires_at: datetime | None = None
    description: str = ""
    reference: str = ""


@dataclass(frozen=True)
class NewKey:
    """A key that is minted for a child, and by which."""

    name: str
    scopes: Collection[str]
    minter: ApiKey
    delegable: Collection[str]
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Child:
    """A child as it was opened: what its wallet received, its key and the secret of that, if there are any."""

    organization: Organization
    received: LedgerEntry | None = None
    key: ApiKey | None = None
    secret: str | None = None


def require_root(parent: Organization) -> None:
    """Refuse a parent that has one itself.

    :raises NotARoot: if it has
    """
    if parent.parent_id is not None:
        raise NotARoot(f"{parent.public_id} is a child: it cannot have children")


@transaction.atomic(savepoint=False)
def open_child(
    *,
    parent: Organization,
    performed_by: str,
    now: datetime,
    opening: Opening | None = None,
    config: Mapping[str, Any] | None = None,
    key: NewKey | None = None,
    **fields: Any,
) -> Child:
    """Create a child with its cap and refill rule, fund it, and mint a key for it.

    :param config: terms of its `CreditConfig` that are not as usual
    :param fields: what else `create_organization` takes
    :raises NotARoot: if the parent has a parent
    :raises ExternalIdTaken: if another child has its external id
    :raises RefillRequiresThresholdAndAmount: if only one of the two is given
    :raises InvalidExpiry: if the opening balance would have expired already
    :raises InsufficientCredits: if the parent has less than that transferable
    :raises ReferenceTaken: if the reference of the opening balance means another allocation of the parent
    :raises ScopeNotDelegable: if the scopes of the key reach beyond what is delegable
    :raises KeyOutlivesMinter: if the key would end after its minter
    :raises OrganizationSuspended: if the parent is suspended
    :raises OrganizationArchived: if the parent is archived
    """
    terms = dict(config or {})
    require_whole_rule(terms.get("refill_threshold"), terms.get("refill_amount"))
    child = create_organization(
        parent=parent, performed_by=performed_by, now=now, **fields, **terms
    )
    received = minted = secret = None
    if opening is not None:
        _, received = allocate(child=child, performed_by=performed_by, now=now, **vars(opening))
    if key is not None:
        minted, secret = mint_key(
            organization=child, now=now, tier=key.minter.rate_limit_tier, **vars(key)
        )
    return Child(child, received, minted, secret)
