-- The log of the admin only grows. The one change: of an erased actor, whose own row names nobody any more, and of its keys it forgets the
-- name and what was said; who did something to them, what kind of thing and when stays.
CREATE FUNCTION organizations_log_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_model text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.object_repr, NEW.change_message) = ('erased', '') AND
            (NEW.id, NEW.action_time, NEW.user_id, NEW.content_type_id, NEW.object_id, NEW.action_flag) IS NOT DISTINCT FROM
            (OLD.id, OLD.action_time, OLD.user_id, OLD.content_type_id, OLD.object_id, OLD.action_flag)
        THEN
            SELECT c.model INTO v_model FROM django_content_type c WHERE c.id = OLD.content_type_id AND c.app_label = 'organizations';
            IF v_model IN ('actor', 'apikey') THEN
                PERFORM FROM organizations_actor a
                    WHERE a.id = CASE v_model WHEN 'actor' THEN OLD.object_id::uuid
                            ELSE (SELECT k.actor_id FROM organizations_apikey k WHERE k.id = OLD.object_id::uuid) END
                        AND a.name = 'erased' AND a.email IS NULL AND a.external_id IS NULL AND NOT a.active;
                IF FOUND THEN
                    RETURN NEW;
                END IF;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;
