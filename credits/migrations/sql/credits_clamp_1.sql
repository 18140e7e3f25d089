-- The moment of what is written under a wallet's lock: that of the command, but never before the wallet's last entry, so that numbers and
-- times agree also where who asked first was served second. It bridges a minute at most: one clock that leapt ahead once must not keep a
-- wallet in tomorrow.
CREATE FUNCTION credits_clamp_1(now timestamptz, posted_at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN posted_at > now AND posted_at - now <= interval '60 seconds' THEN posted_at ELSE now END
$$;
