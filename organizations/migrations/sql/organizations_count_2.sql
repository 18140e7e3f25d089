-- Count a request in each of its buckets, up to the one that is full: who is refused uses up nothing behind it.
--
-- It may count a portion at once, for requests that come after it, if all buckets have room for it: `taken` is how many were counted that
-- pass, and none of the windows ends before `lasts`.
--
-- told, counted, ends: how often was asked, and when that window ends, in the bucket that is full, or else in the first
CREATE FUNCTION organizations_count_2(
    buckets jsonb, key uuid, organization uuid, now timestamptz, portion int,
    OUT told int, OUT counted bigint, OUT ends timestamptz, OUT passes boolean, OUT taken bigint, OUT lasts timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    many constant int := CASE WHEN portion > 1 AND organizations_have_room_1(buckets, key, organization, now, portion) THEN portion ELSE 1 END;
    bucket record;
    hits bigint;
    until timestamptz;
BEGIN
    taken := many;
    FOR bucket IN SELECT * FROM organizations_buckets_1(buckets, key, organization) LOOP
        INSERT INTO organizations_ratecount AS r (name, count, ends_at) VALUES (bucket.name, many, now + bucket.lasts)
        ON CONFLICT ON CONSTRAINT organizations_ratecount_pkey DO UPDATE SET
            count = CASE WHEN r.ends_at <= now THEN many ELSE r.count + many END,
            ends_at = CASE WHEN r.ends_at <= now THEN excluded.ends_at ELSE r.ends_at END
        RETURNING r.count, r.ends_at INTO hits, until;
        lasts := least(lasts, until);
        -- Others may have counted since there was room for all of it.
        taken := least(taken, bucket.most - (hits - many));
        IF told IS NULL OR taken < 1 THEN
            told := bucket.place;
            counted := hits;
            ends := until;
            passes := taken >= 1;
        END IF;
        EXIT WHEN taken < 1;
    END LOOP;
END
$$
