-- What an entry drew, as its hash reads it: each grant with its amount, in the order of their ids. Nothing for an entry that drew nothing.
CREATE FUNCTION credits_draws_text_1(grants uuid[], amounts numeric[]) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    -- Most draw on one: a query would take as long as all the rest of the hash.
    IF cardinality(grants) = 1 THEN
        RETURN credits_fields_1(ARRAY[grants[1]::text, round(amounts[1], 6)::text]);
    END IF;
    RETURN (
        SELECT coalesce(string_agg(credits_fields_1(ARRAY[id::text, round(amount, 6)::text]), '' ORDER BY id), '')
        FROM unnest(grants, amounts) AS draw (id, amount)
    );
END $$;
