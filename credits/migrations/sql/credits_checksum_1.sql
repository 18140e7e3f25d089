-- The checksum of a row, format 1: its number, and the sha256 of the columns that a table lists. They come as texts that are the same in every
-- session: moments as seconds since 1970, bytes as hex. A later format has another function, another number and another list; what was
-- written in this one stays as it is.
-- It is planned into the statement that calls it: a call of its own would take longer than what it does.
CREATE FUNCTION credits_checksum_1(columns text[]) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT '\x01'::bytea || sha256(convert_to(columns::text, 'UTF8'))
$$;
