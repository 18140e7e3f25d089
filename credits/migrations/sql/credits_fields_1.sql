-- Texts as one text that can mean nothing else: each after its length in bytes of UTF-8 and a colon, one that is NULL as a tilde.
CREATE FUNCTION credits_fields_1(fields text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    field text;
    said text := '';
BEGIN
    FOREACH field IN ARRAY fields LOOP
        said := said || coalesce(octet_length(field) || ':' || field, '~');
    END LOOP;
    RETURN said;
END $$;
