"""The checksum of a row, by which an edit past its trigger is found: a fixed list of columns for each table, and the number of the format.

The trigger of a table lists the same columns (credits/migrations/sql/credits_check_*_1.sql). A column that is added later is in no list, and no row
is written for it; where it should be covered, there is another format beside this one: a function and triggers that end in 2, and a
checksum says by its first byte how it was made.

In a list `*` marks a moment and `#` bytes.
"""

WALLET = """
    id organization_id period_id balance reserved open_holds allowance_remaining lapse_at* refill_cooldown_ends_at* refill_retry_at*
    head_number head_hash# posted_at* event_position terms_version created_at*"""
BILLING_PERIOD = """
    id wallet_id index starts_at* ends_at* term_starts_at* term_ends_at* term_days whole_days allowance allowance_per_user seats share
    used reserved recharged opening_balance closing_balance closed_at*"""
RESERVATION = """
    id wallet_id period_id status mode credits free_credits settled_credits late actor_id group_id counter_ids work_type resource_type
    resource_id requested_model effective_model decision is_charged byok estimate rate_card settled_with figures metadata performed_by
    expires_at* created_at* closed_at*"""
DRAW = "id entry_id grant_id amount"


def is_edited(row: str, columns: str) -> str:
    """Return the condition that a row, by its alias, is not as its trigger last wrote it.

    :param columns: one of the lists above
    """
    return f"{row}.checksum IS DISTINCT FROM {checksum(row, columns)}"


def checksum(row: str, columns: str) -> str:
    """Return what the checksum of a row should be, in SQL."""
    texts = ", ".join(_text(f"{row}.{column}") for column in columns.split())
    return f"credits_checksum_1(ARRAY[{texts}])"


def _text(column: str) -> str:
    """Return what a column says, as a text that is the same in every session."""
    if column.endswith("*"):
        return f"extract(epoch FROM {column[:-1]})::text"
    return f"encode({column[:-1]}, 'hex')" if column.endswith("#") else f"{column}::text"
