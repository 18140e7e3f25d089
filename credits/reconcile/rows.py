"""Rows as such: whose they are, that what they refer to is there, and that nobody edited them past the ledger."""

from typing import Any

from django.apps import apps
from django.db import models

from credits import checksums
from credits.checksums import is_edited
from credits.models import Wallet
from credits.reconcile.naming import (
    COUNTER,
    DRAW,
    ENTRY,
    GRANT,
    PERIOD,
    RESERVATION,
    WALLET,
    WALLET_OF_DRAW,
)

EDITED = "'it is not as it was last written: its checksum does not fit, somebody edited it past the ledger'"


def dangling(*tables: type[models.Model]) -> str:
    """Return the rows of tables that refer to a row that is not there, by any of their foreign keys.

    The database refuses that while its foreign keys are on; who may switch them off can do it.
    """
    return " UNION ALL ".join(
        _dangling(model, field) for model in tables for field in _foreign_keys(model)
    )


def _foreign_keys(model: type[models.Model]) -> list[Any]:
    """All but those that need not hold: a history outlives what it is of."""
    keys: list[Any] = [f for f in model._meta.concrete_fields if isinstance(f, models.ForeignKey)]
    return [key for key in keys if key.db_constraint]


def _dangling(model: type[models.Model], key: Any) -> str:
    this, target, column = model._meta, key.related_model._meta, key.column
    return f"""
        SELECT {_wallet_of(model)}, '{this.verbose_name} ' || t.{this.pk.column},
            'its {key.verbose_name} is not there: {target.verbose_name} ' || t.{column}
        FROM {this.db_table} t
        WHERE t.{column} IS NOT NULL
            AND NOT EXISTS (SELECT FROM {target.db_table} x WHERE x.{target.pk.column} = t.{column})"""


def _wallet_of(model: type[models.Model]) -> str:
    """The wallet that a row belongs to, in SQL."""
    columns = {field.column for field in model._meta.concrete_fields}
    if model is Wallet:
        return "t.id"
    if "wallet_id" in columns:
        return "t.wallet_id"
    for owner in ("grant", "reservation"):
        if f"{owner}_id" in columns and "organization_id" not in columns:
            return f"(SELECT x.wallet_id FROM credits_{owner} x WHERE x.id = t.{owner}_id)"
    if "organization_id" in columns:
        return "(SELECT x.id FROM credits_wallet x WHERE x.organization_id = t.organization_id)"
    return "NULL::uuid"


CHECKS: dict[str, str] = {
    "nothing refers to another wallet's rows": f"""
        SELECT g.wallet_id, {GRANT}, 'it was made by an entry of another wallet: ' || {ENTRY}
        FROM credits_grant g JOIN credits_ledgerentry e ON e.id = g.entry_id WHERE g.wallet_id <> e.wallet_id
        UNION ALL
        SELECT g.wallet_id, {DRAW}, 'its entry and its grant are of two wallets: ' || {ENTRY} || ', ' || {GRANT}
        FROM credits_grantdraw d JOIN credits_ledgerentry e ON e.id = d.entry_id JOIN credits_grant g ON g.id = d.grant_id
        WHERE g.wallet_id <> e.wallet_id
        UNION ALL
        SELECT e.wallet_id, {ENTRY}, 'it is posted or counted in a period of another wallet: ' || {PERIOD}
        FROM credits_ledgerentry e JOIN credits_billingperiod p ON p.id IN (e.period_id, e.counted_in_id)
        WHERE p.wallet_id <> e.wallet_id
        UNION ALL
        SELECT e.wallet_id, {ENTRY}, 'it charges a reservation of another wallet: ' || {RESERVATION}
        FROM credits_ledgerentry e JOIN credits_reservation r ON r.id = e.reservation_id WHERE r.wallet_id <> e.wallet_id
        UNION ALL
        SELECT r.wallet_id, {RESERVATION}, 'it is counted in a period of another wallet: ' || {PERIOD}
        FROM credits_reservation r JOIN credits_billingperiod p ON p.id = r.period_id WHERE p.wallet_id <> r.wallet_id
        UNION ALL
        SELECT r.wallet_id, {RESERVATION}, 'it is counted in a counter of another wallet: ' || {COUNTER}
        FROM credits_reservation r, unnest(r.counter_ids) AS counter_id JOIN credits_usagecounter c ON c.id = counter_id
        WHERE c.wallet_id <> r.wallet_id""",
    "nothing refers to a row that is not there": dangling(
        *apps.get_app_config("credits").get_models()
    )
    + f"""
        UNION ALL
        SELECT r.wallet_id, {RESERVATION}, 'a counter that carries it is not there: ' || counter_id
        FROM credits_reservation r, unnest(r.counter_ids) AS counter_id
        WHERE NOT EXISTS (SELECT FROM credits_usagecounter c WHERE c.id = counter_id)""",
    "every organization has a wallet, and every wallet its terms": f"""
        SELECT NULL::uuid, 'organization ' || o.id, 'it has no wallet'
        FROM organizations_organization o WHERE NOT EXISTS (SELECT FROM credits_wallet w WHERE w.organization_id = o.id)
        UNION ALL
        SELECT w.id, {WALLET}, 'it has no terms'
        FROM credits_wallet w WHERE NOT EXISTS (SELECT FROM credits_creditconfig c WHERE c.wallet_id = w.id)""",
    "a wallet is as it was last written": f"""
        SELECT w.id, {WALLET}, {EDITED} FROM credits_wallet w WHERE {is_edited("w", checksums.WALLET)}""",
    "a billing period is as it was last written": f"""
        SELECT p.wallet_id, {PERIOD}, {EDITED} FROM credits_billingperiod p WHERE {is_edited("p", checksums.BILLING_PERIOD)}""",
    "a reservation is as it was last written": f"""
        SELECT r.wallet_id, {RESERVATION}, {EDITED} FROM credits_reservation r WHERE {is_edited("r", checksums.RESERVATION)}""",
    "a draw is as it was written": f"""
        SELECT {WALLET_OF_DRAW}, {DRAW}, {EDITED} FROM credits_grantdraw d WHERE {is_edited("d", checksums.DRAW)}""",
    "an idempotency key has its answer": """
        SELECT w.id, 'idempotency key ' || k.id, 'it has no answer: ' || k.key
        FROM organizations_idempotencykey k LEFT JOIN credits_wallet w ON w.organization_id = k.organization_id
        WHERE k.status_code IS NULL""",
}
