-- The answer that is stored under an idempotency key, if it is not a day old; no row where there is none. It is planned into the statement
-- that asks: a statement of its own would take longer than the look.
CREATE FUNCTION organizations_answer_2(
    p_organization uuid,
    p_owner text,
    p_key text,
    p_now timestamptz
) RETURNS TABLE (fingerprint bytea, status integer, format integer, body text) LANGUAGE sql STABLE AS $$
    SELECT k.fingerprint, k.status_code, k.format, k.body
    FROM organizations_idempotencykey k
    WHERE k.organization_id = p_organization AND k.owner = p_owner AND k.key = p_key AND k.created_at > p_now - interval '24 hours'
$$;
