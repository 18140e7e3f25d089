CREATE FUNCTION credits_check_grantdraw_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.checksum := credits_checksum_1(ARRAY[
        NEW.id::text, NEW.entry_id::text, NEW.grant_id::text, NEW.amount::text
    ]);
    RETURN NEW;
END $$;
