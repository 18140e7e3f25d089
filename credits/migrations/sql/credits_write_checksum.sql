CREATE FUNCTION credits_write_checksum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.checksum := credits_checksum(NEW);
    RETURN NEW;
END $$;
