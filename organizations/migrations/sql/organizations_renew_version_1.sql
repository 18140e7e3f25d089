CREATE FUNCTION organizations_renew_version_1() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    but text[] := coalesce(TG_ARGV, '{}');
BEGIN
    NEW.version := OLD.version;
    IF to_jsonb(NEW) - but IS DISTINCT FROM to_jsonb(OLD) - but THEN
        NEW.version := gen_random_uuid();
    END IF;
    RETURN NEW;
END
$$
