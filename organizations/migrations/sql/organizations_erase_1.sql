-- Take what names an erased actor out of what only its owner may change: its history, its keys and theirs, the answers that are stored for
-- repeats, and the admin's log of it and them. Whoever calls this has no such right, so it does so only for one whose own row says nothing any more.
CREATE FUNCTION organizations_erase_1(p_actor uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_public text := 'act_' || p_actor;
    v_family uuid[];
BEGIN
    SELECT ARRAY[o.id, o.parent_id, o.sandbox_of_id, s.parent_id] INTO v_family
        FROM organizations_actor a
        JOIN organizations_organization o ON o.id = a.organization_id
        LEFT JOIN organizations_organization s ON s.id = o.sandbox_of_id
        WHERE a.id = p_actor AND a.name = 'erased' AND a.email IS NULL AND a.external_id IS NULL AND NOT a.active;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'actor % is not erased', p_actor USING ERRCODE = 'insufficient_privilege';
    END IF;

    UPDATE organizations_historicalactor SET name = 'erased', email = NULL, external_id = NULL
        WHERE id = p_actor AND (name, email, external_id) IS DISTINCT FROM ('erased', NULL, NULL);
    UPDATE organizations_historicalapikey SET name = 'erased'
        WHERE id IN (SELECT k.id FROM organizations_apikey k WHERE k.actor_id = p_actor) AND name <> 'erased';
    UPDATE organizations_apikey SET name = 'erased' WHERE actor_id = p_actor AND name <> 'erased';

    -- The key stays taken, and a repeat is told what is left: of the actor no name, and no name of a key of it. An answer that is not the
    -- very bytes (`format`) is the request path's, which names nobody.
    UPDATE organizations_idempotencykey SET body = CASE WHEN body::jsonb ->> 'id' = v_public
            THEN body::jsonb || '{"name": "erased", "email": null, "externalId": null}' ELSE body::jsonb || '{"name": "erased"}' END
        WHERE organization_id = ANY (v_family) AND format = 0 AND body LIKE '%' || v_public || '%'
            AND CASE WHEN body LIKE '{%' AND format = 0 THEN body::jsonb ? 'name' AND v_public IN (body::jsonb ->> 'id', body::jsonb ->> 'actorId')
                ELSE false END;

    UPDATE django_admin_log SET object_repr = 'erased', change_message = ''
        WHERE (object_repr, change_message) IS DISTINCT FROM ('erased', '') AND (content_type_id, object_id) IN (
            SELECT c.id, p_actor::text FROM django_content_type c WHERE (c.app_label, c.model) = ('organizations', 'actor')
            UNION ALL
            SELECT c.id, k.id::text FROM django_content_type c, organizations_apikey k
                WHERE (c.app_label, c.model) = ('organizations', 'apikey') AND k.actor_id = p_actor
        );
END
$$;
