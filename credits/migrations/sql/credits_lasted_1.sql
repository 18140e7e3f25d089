-- How long a closed hold lasted, as a class: the number of powers of four seconds, from 1 on, that it reached. What held credits at a moment is
-- found by an index on it: those of a class that were open then began no earlier than the class lasts.
CREATE FUNCTION credits_lasted_1(created_at timestamptz, closed_at timestamptz, expires_at timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT width_bucket(
        extract(epoch FROM least(closed_at, expires_at) - created_at),
        '{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}'::numeric[]
    )
$$;
