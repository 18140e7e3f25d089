-- What is kept of a reservation under an idempotency key: all that an answer says of it. It is asked of a row as it is stored, by the statement
-- that writes it, and planned into that. Format 1 of organizations_idempotencykey.format; usage/serializers/reservations.py reads it.
CREATE FUNCTION credits_answer_2(
    id uuid,
    status text,
    credits numeric,
    settled_credits numeric,
    late boolean,
    actor_id uuid,
    group_id uuid,
    resource_type text,
    resource_id text,
    requested_model text,
    effective_model text,
    decision text,
    byok boolean,
    estimate jsonb,
    rate_card jsonb,
    figures numeric[],
    expires_at timestamptz
) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'id', id, 'status', status, 'credits', credits, 'settled_credits', settled_credits, 'late', late, 'actor_id', actor_id,
        'group_id', group_id, 'resource_type', resource_type, 'resource_id', resource_id, 'requested_model', requested_model,
        'effective_model', effective_model, 'decision', decision, 'byok', byok, 'output', estimate -> 'output',
        'rated_at', rate_card -> 'starts_at', 'figures', figures, 'expires_at', extract(epoch FROM expires_at)
    )::text
$$;
