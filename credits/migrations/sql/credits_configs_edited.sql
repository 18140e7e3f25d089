-- What was changed of credit configs raises the versions of their wallets.
CREATE FUNCTION credits_configs_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM credits_raise_terms(ARRAY(
            SELECT w.organization_id FROM old_rows o JOIN credits_wallet w ON w.id = o.wallet_id
        ));
        RETURN NULL;
    END IF;
    PERFORM credits_raise_terms(ARRAY(
        SELECT w.organization_id FROM (
            (TABLE old_rows EXCEPT TABLE new_rows) UNION ALL (TABLE new_rows EXCEPT TABLE old_rows)
        ) AS differing JOIN credits_wallet w ON w.id = differing.wallet_id
    ));
    RETURN NULL;
END $$
