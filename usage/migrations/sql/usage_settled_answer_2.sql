-- What is kept of the answer to a settle under an idempotency key: what `credits_answer_2` says of its reservation, and the entry that
-- charged it, which is written behind: to read the JSON anew would take longer than all that is said. Format 2 of
-- organizations_idempotencykey.format; usage/serializers/reservations.py reads it.
CREATE FUNCTION usage_settled_answer_2(p_answer text, p_entry uuid) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(p_answer, -1) || ', "entry_id" : ' || coalesce('"' || p_entry || '"', 'null') || '}'
$$;
