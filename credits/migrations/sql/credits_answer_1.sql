-- What is kept of a reservation under an idempotency key: all that an answer says of it, as it is now. Format 1 of
-- organizations_idempotencykey.format; usage/serializers/reservations.py reads it.
CREATE FUNCTION credits_answer_1(p_reservation uuid) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT json_build_object(
        'id', id, 'status', status, 'credits', credits, 'settled_credits', settled_credits, 'late', late, 'actor_id', actor_id,
        'group_id', group_id, 'resource_type', resource_type, 'resource_id', resource_id, 'requested_model', requested_model,
        'effective_model', effective_model, 'decision', decision, 'byok', byok, 'output', estimate -> 'output',
        'rated_at', rate_card -> 'starts_at', 'figures', figures, 'expires_at', extract(epoch FROM expires_at)
    )::text
    FROM credits_reservation WHERE id = p_reservation
$$;
