"""Finding the hold that a request speaks of: on its path, so in one prepared statement."""

import json
from uuid import UUID

from credits import ledger
from credits.models import LedgerEntry, Reservation, Wallet
from organizations import statements

_HOLD = statements.Columns(Reservation, "r")
_WALLET = statements.Columns(Wallet, "w", only=["id", "organization"])
_FIND = f"""
    SELECT {_HOLD.sql}, {_WALLET.sql} FROM credits_reservation r JOIN credits_wallet w ON w.id = r.wallet_id
    WHERE r.id = %s AND w.organization_id = %s AND (%s::uuid IS NULL OR r.actor_id = %s)"""
_IN_JSON = ("estimate", "rate_card", "settled_with", "metadata")


def find_hold(
    organization_id: UUID,
    reservation_id: UUID,
    *,
    actor_id: UUID | None = None,
    send: statements.Send = statements.fetch_one,
) -> Reservation:
    """Return a reservation of an organization, with so much of its wallet as says whose it is.

    :param actor_id: only if it is this actor's
    :param send: what sends the statement
    :raises Reservation.DoesNotExist: if there is none
    """
    row = send(_FIND, [reservation_id, organization_id, actor_id, actor_id])
    if row is None:
        raise Reservation.DoesNotExist("the organization has no such reservation")
    read = iter(row)
    found, wallet = _HOLD.take(read), _WALLET.take(read)
    assert found is not None
    assert wallet is not None
    values = vars(found)
    for name in _IN_JSON:
        if values[name] is not None:
            values[name] = json.loads(values[name])
    statements.relate(found, wallet=wallet)
    return found


def find_hold_now(
    organization_id: UUID,
    reservation_id: UUID,
    *,
    actor_id: UUID | None = None,
    send: statements.Send = statements.fetch_one,
) -> Reservation:
    """Return a reservation as `find_hold` does, with its limits as they are by now, and what charged it.

    :raises Reservation.DoesNotExist: if there is none
    """
    found = find_hold(organization_id, reservation_id, actor_id=actor_id, send=send)
    ledger.read_figures(found)
    if found.status == Reservation.Status.SETTLED:
        charged = LedgerEntry.objects.filter(reservation=found.id, kind=LedgerEntry.Kind.SETTLE)
        entry_ids = charged.filter(reverses=None).values_list("id", flat=True)
        found.settled_entry_id = entry_ids.first()
    return found
