-- What was changed of organizations raises the versions of those where it decides; their status also those of their sandboxes in use, which
-- stand and fall with them. Children compare their parent's version besides their own, so theirs stay.
CREATE FUNCTION credits_organizations_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM credits_raise_terms(ARRAY(
        SELECT n.id FROM old_rows o JOIN new_rows n USING (id)
        WHERE (o.status, o.ai_enabled, o.entitled_until, o.byok, o.enabled_providers, o.default_profile_id)
            IS DISTINCT FROM (n.status, n.ai_enabled, n.entitled_until, n.byok, n.enabled_providers, n.default_profile_id)
        UNION
        SELECT sandbox.id FROM old_rows o JOIN new_rows n USING (id)
            JOIN organizations_organization sandbox ON sandbox.sandbox_of_id = n.id
        WHERE o.status <> n.status AND sandbox.status <> 'archived'
    ));
    RETURN NULL;
END $$
