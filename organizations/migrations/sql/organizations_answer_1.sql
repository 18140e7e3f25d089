-- The answer that is stored under an idempotency key, if it is not a day old; NULLs where there is none.
CREATE FUNCTION organizations_answer_1(
    p_organization uuid,
    p_owner text,
    p_key text,
    p_now timestamptz,
    OUT fingerprint bytea,
    OUT status integer,
    OUT format integer,
    OUT body text
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    SELECT k.fingerprint, k.status_code, k.format, k.body INTO fingerprint, status, format, body
        FROM organizations_idempotencykey k
        WHERE k.organization_id = p_organization AND k.owner = p_owner AND k.key = p_key
            AND k.created_at > p_now - interval '24 hours';
END
$$;
