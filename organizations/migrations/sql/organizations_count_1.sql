CREATE FUNCTION organizations_count_1(
    buckets jsonb, key uuid, organization uuid, now timestamptz,
    OUT told int, OUT counted bigint, OUT ends timestamptz, OUT passes boolean
) LANGUAGE plpgsql AS $$
DECLARE
    bucket record;
    hits bigint;
    until timestamptz;
BEGIN
    FOR bucket IN
        SELECT place::int - 1 AS place, (said ->> 'most')::bigint AS most, make_interval(secs => (said ->> 'seconds')::int) AS lasts,
            replace(replace(said ->> 'name', '{key}', coalesce(replace(key::text, '-', ''), '')),
                '{organization}', coalesce(replace(organization::text, '-', ''), '')) AS name
        FROM jsonb_array_elements(buckets) WITH ORDINALITY AS each (said, place)
    LOOP
        INSERT INTO organizations_ratecount AS r (name, count, ends_at) VALUES (bucket.name, 1, now + bucket.lasts)
        ON CONFLICT ON CONSTRAINT organizations_ratecount_pkey DO UPDATE SET
            count = CASE WHEN r.ends_at <= now THEN 1 ELSE r.count + 1 END,
            ends_at = CASE WHEN r.ends_at <= now THEN excluded.ends_at ELSE r.ends_at END
        RETURNING r.count, r.ends_at INTO hits, until;
        IF told IS NULL OR hits > bucket.most THEN
            told := bucket.place;
            counted := hits;
            ends := until;
            passes := hits <= bucket.most;
        END IF;
        EXIT WHEN hits > bucket.most;
    END LOOP;
END
$$
