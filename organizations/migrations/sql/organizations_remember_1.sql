-- Store an answer under an idempotency key; one that is a day old gives way. If somebody else has taken the key meanwhile it is a unique
-- violation: all of the statement is undone, and whoever asks again finds that answer.
CREATE FUNCTION organizations_remember_1(
    p_organization uuid,
    p_owner text,
    p_key text,
    p_fingerprint bytea,
    p_now timestamptz,
    p_status integer,
    p_format integer,
    p_body text
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO organizations_idempotencykey AS k (organization_id, owner, key, fingerprint, status_code, format, body, created_at)
        VALUES (p_organization, p_owner, p_key, p_fingerprint, p_status, p_format, p_body, p_now)
        ON CONFLICT (organization_id, owner, key) DO UPDATE
            SET fingerprint = excluded.fingerprint, status_code = excluded.status_code, format = excluded.format, body = excluded.body,
                created_at = excluded.created_at
            WHERE k.created_at <= p_now - interval '24 hours';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the key was used meanwhile' USING ERRCODE = 'unique_violation';
    END IF;
END
$$;
