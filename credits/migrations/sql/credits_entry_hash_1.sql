-- The hash of an entry, format 1: of all it says, what it changed, the grants it made, and the hash before it. The columns and their order are
-- fixed, and none of them depends on how a session writes values: amounts have six places, moments are microseconds since 1970, bytes
-- are hex. `metadata` is its text as the database writes it, `draws` comes from credits_draws_text_1, `grants` is a credits_grant_text_1 for
-- each grant that it made, in the order of their ids. docs/operations.md has the same in Python, for whoever does not trust a database.
CREATE FUNCTION credits_entry_hash_1(
    previous bytea, wallet uuid, number bigint, id uuid, period bigint, kind text, amount numeric, balance_after numeric,
    allowance_after numeric, usage_after numeric, reservation uuid, counted_in bigint, reverses uuid, transfer uuid, reference text,
    reason text, metadata text, performed_by text, posted_at timestamptz, draws text, grants text
) RETURNS bytea LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN sha256(convert_to(credits_fields_1(ARRAY[
        '1', encode(previous, 'hex'), wallet::text, number::text, id::text, period::text, kind,
        round(amount, 6)::text, round(balance_after, 6)::text, round(allowance_after, 6)::text, round(usage_after, 6)::text,
        reservation::text, counted_in::text, reverses::text, transfer::text, reference, reason, metadata, performed_by,
        trunc(extract(epoch FROM posted_at) * 1000000)::text, draws, grants
    ]), 'UTF8'));
END $$;
