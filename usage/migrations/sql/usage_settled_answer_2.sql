-- What is kept of the answer to a settle under an idempotency key: what `credits_answer_2` says of its reservation, and the entry that
-- charged it. Format 2 of organizations_idempotencykey.format; usage/serializers/reservations.py reads it.
CREATE FUNCTION usage_settled_answer_2(p_answer text, p_entry uuid) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (p_answer::jsonb || jsonb_build_object('entry_id', p_entry))::text
$$;
