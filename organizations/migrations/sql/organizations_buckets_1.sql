-- The buckets of a request, in their order: the name of each with the ids in it, how many pass in its window, and how long that is.
CREATE FUNCTION organizations_buckets_1(buckets jsonb, key uuid, organization uuid)
RETURNS TABLE (place int, name text, most bigint, lasts interval) LANGUAGE sql IMMUTABLE AS $$
    SELECT place::int - 1,
        replace(replace(said ->> 'name', '{key}', coalesce(replace(key::text, '-', ''), '')),
            '{organization}', coalesce(replace(organization::text, '-', ''), '')),
        (said ->> 'most')::bigint, make_interval(secs => (said ->> 'seconds')::int)
    FROM jsonb_array_elements(buckets) WITH ORDINALITY AS each (said, place)
$$
