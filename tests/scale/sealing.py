"""What is made of all rows in the end: rollups and totals of the events, the chain of hashes, and checksums."""

from datetime import datetime

from django.db import connection

from credits import checksums
from credits.ledger import HASH
from credits.models import LedgerEntry
from tests.scale.copying import filling
from usage.services import rollups, stock

_ROLLUPS = """
    INSERT INTO usage_usagerollup (organization_id, day, work_type, resource_type, resource_id, model_id, actor_id, credits, events)
    SELECT organization_id, (occurred_at AT TIME ZONE 'UTC')::date, work_type, resource_type, resource_id, model_id, actor_id,
        sum(credits), count(*) FILTER (WHERE corrects_id IS NULL)
    FROM usage_usageevent WHERE source <> 'forgiven' GROUP BY 1, 2, 3, 4, 5, 6, 7"""
_MARKS = """
    INSERT INTO usage_rollupmark (organization_id, position, rolled_up_at)
    SELECT organization_id, event_position, %s FROM credits_wallet WHERE event_position > 0"""
_CHAIN = f"""
    CREATE FUNCTION pg_temp.chained() RETURNS TABLE (entry uuid, before bytea, own bytea) LANGUAGE plpgsql ROWS 1000000 AS $$
    DECLARE e record; last uuid;
    BEGIN
        FOR e IN SELECT * FROM credits_ledgerentry ORDER BY wallet_id, number LOOP
            before := CASE WHEN e.wallet_id = last THEN own ELSE decode(repeat('00', 32), 'hex') END;
            e.previous_hash := before;
            own := {HASH};
            last := e.wallet_id;
            entry := e.id;
            RETURN NEXT;
        END LOOP;
    END $$"""
_HASHES = """
    UPDATE credits_ledgerentry AS t SET previous_hash = c.before, hash = c.own FROM pg_temp.chained() AS c WHERE c.entry = t.id"""
_HEADS = """
    UPDATE credits_wallet AS w SET head_hash = e.hash FROM credits_ledgerentry e
    WHERE e.wallet_id = w.id AND e.number = w.head_number"""
_CHECKSUMS = (
    f"UPDATE credits_wallet AS w SET checksum = {checksums.checksum('w', checksums.WALLET)}",
    f"UPDATE credits_billingperiod AS p SET checksum = {checksums.checksum('p', checksums.BILLING_PERIOD)}",
)


def add_up(*, now: datetime) -> None:
    """Write rollups, totals and what everybody used in a month, as the worker would have; and take stock."""
    with filling(), connection.cursor() as cursor:
        for table in ("usagerollup", "usagetotal", "monthlyuse", "rollupmark"):
            cursor.execute(f"DELETE FROM usage_{table}")
        cursor.execute(_ROLLUPS)
        cursor.execute(rollups.add_totals("usage_usagerollup"))
        cursor.execute(rollups.add_months("usage_usagerollup"))
        cursor.execute(_MARKS, [now])
        cursor.execute("ANALYZE")
    stock.take_all(now=now)


def seal(*, is_large: bool) -> None:
    """Hash every ledger from its first entry on, and write the checksums that depend on it."""
    with filling(*([LedgerEntry] if is_large else [])), connection.cursor() as cursor:
        cursor.execute(_CHAIN)
        cursor.execute(_HASHES)
        cursor.execute(_HEADS)
        for statement in _CHECKSUMS:
            cursor.execute(statement)
        cursor.execute("DROP FUNCTION pg_temp.chained()")
