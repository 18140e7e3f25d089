-- What a wallet's holds held at a moment, which may be long ago: those that are open still, and those that have closed since, class by class of
-- how long they lasted. It reads about as many rows as holds were open then, however many there were before and after.
CREATE FUNCTION credits_held_1(wallet uuid, moment timestamptz) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
    RETURN (
        WITH held AS (
            SELECT r.id, r.credits FROM credits_reservation r
            WHERE r.wallet_id = wallet AND r.status = 'open' AND r.created_at <= moment AND r.expires_at > moment
            UNION ALL
            SELECT r.id, r.credits FROM generate_series(0, 14) AS class
            JOIN credits_reservation r ON r.wallet_id = wallet
                AND credits_lasted_1(r.created_at, r.closed_at, r.expires_at) = class
                AND r.created_at > CASE class WHEN 14 THEN '-infinity' ELSE moment - 4 ^ class * interval '1 second' END
                AND r.created_at <= moment
            WHERE r.closed_at IS NOT NULL AND r.closed_at > moment AND r.expires_at > moment AND r.credits > 0
        )
        -- They hold by now what they grew to.
        SELECT coalesce(sum(held.credits - coalesce(
            (SELECT sum(g.credits) FROM credits_growth g WHERE g.reservation_id = held.id AND g.grown_at > moment), 0
        )), 0) FROM held
    );
END $$;
