-- The roles of Purser, made where they are missing. They belong to the whole server, have no password yet, and own nothing; what they may
-- do is said in config/privileges.py, and `manage.py migrate` grants it. Run by a superuser, or by who may create roles: for the embedded server
-- each time it starts, in compose.yaml once, elsewhere by hand (docs/operations.md).
--
--   purser_owner   owns the database; only migrations connect as it
--   purser_app     web, worker and beat
--   purser_reader  people and reports that only look

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['purser_owner', 'purser_app', 'purser_reader'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            CONTINUE;
        END IF;
        BEGIN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- Somebody else made it at this moment.
        END;
    END LOOP;
END $$;
