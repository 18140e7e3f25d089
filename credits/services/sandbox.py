"""Where test keys spend: an organization's sandbox, on the terms of the organization, with play money."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from credits import ledger
from credits.models import CreditConfig, Grant, LedgerEntry
from credits.services.organizations import open_wallet
from organizations.external_ids import holder
from organizations.history import sign
from organizations.models import Env, Organization

TEST_CREDITS = Decimal(1_000_000)
"""What a sandbox begins with, beside the allowance that its terms bring. They do not expire."""
_NAME_ENDS = " (sandbox)"
_LIKE_ITS_LIVE_ONE = (
    "metadata",
    "ai_enabled",
    "entitled_until",
    "byok",
    "enabled_providers",
)


@transaction.atomic(savepoint=False)
def open_sandbox(
    *, live: Organization, parent: Organization | None, performed_by: str, now: datetime
) -> Organization:
    """Make the sandbox of a live organization: its terms as they are now, copied, and a million test credits.

    Later changes of either side leave the other alone. Its external id is that of the live one, unless another in the sandbox has it
    by now. The caller has the live organization's row locked, and has seen that it has no sandbox in use.

    :param parent: the sandbox of its parent
    """
    sandbox = Organization(
        parent=parent,
        env=Env.TEST,
        sandbox_of=live,
        external_id=_free(live.external_id, parent),
        name=live.name[: 128 - len(_NAME_ENDS)] + _NAME_ENDS,
        created_at=now,
        updated_at=now,
        **{name: getattr(live, name) for name in _LIKE_ITS_LIVE_ONE},
    )
    sign(sandbox, performed_by=performed_by, now=now)
    sandbox.save(force_insert=True)
    wallet = open_wallet(sandbox, performed_by=performed_by, now=now, **_terms_of(live))
    note = ledger.Note(performed_by, now, "test credits")
    lot = ledger.Lot(TEST_CREDITS, Grant.Source.GRANT)
    ledger.fund(wallet, [lot], kind=LedgerEntry.Kind.GRANT, note=note)
    return sandbox


def _free(external_id: str | None, parent: Organization | None) -> str | None:
    """Return an external id, if nobody beside a sandbox to be has it."""
    taken = external_id is not None and holder(external_id, parent=parent, env=Env.TEST)
    return None if taken else external_id


def _terms_of(live: Organization) -> dict[str, Any]:
    config = CreditConfig.objects.get(wallet__organization=live)
    terms = (field.name for field in CreditConfig._meta.concrete_fields if not field.primary_key)
    return {name: getattr(config, name) for name in terms}
