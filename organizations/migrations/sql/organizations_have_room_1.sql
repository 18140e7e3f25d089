-- Whether each bucket of a request has room for so many more at this moment.
CREATE FUNCTION organizations_have_room_1(buckets jsonb, key uuid, organization uuid, now timestamptz, portion int)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT bool_and(coalesce(r.count, 0) + portion <= bucket.most)
    FROM organizations_buckets_1(buckets, key, organization) AS bucket
        LEFT JOIN organizations_ratecount r ON r.name = bucket.name AND r.ends_at > now
$$
