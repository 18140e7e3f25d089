-- What a reference means is for ever. Of it only the text may change, and no row goes: an entry would be without, and its payment could
-- be booked again. What staff moved is written down beside it, and never changed.
CREATE FUNCTION credits_reference_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'of a reference only the text may change: % refused', TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'reference_is_fixed';
END $$;
