-- What a reference means is for ever. Of it only the text may change, and no row goes: an entry would be without, and its payment could
-- be booked again. What staff moved is written down beside it, and never changed.
CREATE FUNCTION credits_reference_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'of a reference only the text may change: % refused', TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'reference_is_fixed';
END $$;

CREATE TRIGGER reference_is_fixed BEFORE DELETE OR UPDATE OF id, wallet_id, namespace, entry_id ON credits_reference
    FOR EACH ROW EXECUTE FUNCTION credits_reference_is_fixed();
CREATE TRIGGER reference_no_truncate BEFORE TRUNCATE ON credits_reference
    FOR EACH STATEMENT EXECUTE FUNCTION credits_reference_is_fixed();
CREATE TRIGGER referencemove_append_only BEFORE UPDATE OR DELETE ON credits_referencemove
    FOR EACH ROW EXECUTE FUNCTION credits_append_only();
CREATE TRIGGER referencemove_no_truncate BEFORE TRUNCATE ON credits_referencemove
    FOR EACH STATEMENT EXECUTE FUNCTION credits_append_only();
