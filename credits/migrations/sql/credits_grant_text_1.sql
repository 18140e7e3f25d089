-- A grant that an entry made, as the entry's hash reads it: all but what remains of it.
CREATE FUNCTION credits_grant_text_1(
    id uuid, wallet uuid, source text, amount numeric, priority integer, expires_at timestamptz, term_starts_at timestamptz,
    seat integer, upgrade integer, created_at timestamptz
) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN credits_fields_1(ARRAY[
        id::text, wallet::text, source, round(amount, 6)::text, priority::text, trunc(extract(epoch FROM expires_at) * 1000000)::text,
        trunc(extract(epoch FROM term_starts_at) * 1000000)::text, seat::text, upgrade::text,
        trunc(extract(epoch FROM created_at) * 1000000)::text
    ]);
END $$;
