-- Gives the wallets of these organizations another version of their terms, each once: whatever was read at the version before is stale.
-- It takes their locks, those of parents first and then by id, as everybody does.
CREATE FUNCTION credits_raise_terms(concerned uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF concerned = '{}' THEN
        RETURN;
    END IF;
    PERFORM FROM credits_wallet w JOIN organizations_organization o ON o.id = w.organization_id
        WHERE w.organization_id = ANY (concerned)
        ORDER BY o.parent_id IS NOT NULL, w.id
        FOR NO KEY UPDATE OF w;
    UPDATE credits_wallet SET terms_version = gen_random_uuid() WHERE organization_id = ANY (concerned);
END $$
