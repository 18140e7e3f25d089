CREATE FUNCTION credits_check_billingperiod_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.checksum := credits_checksum_1(ARRAY[
        NEW.id::text, NEW.wallet_id::text, NEW.index::text, extract(epoch FROM NEW.starts_at)::text,
        extract(epoch FROM NEW.ends_at)::text, extract(epoch FROM NEW.term_starts_at)::text,
        extract(epoch FROM NEW.term_ends_at)::text, NEW.term_days::text, NEW.whole_days::text, NEW.allowance::text,
        NEW.allowance_per_user::text, NEW.seats::text, NEW.share::text, NEW.used::text, NEW.reserved::text, NEW.recharged::text,
        NEW.opening_balance::text, NEW.closing_balance::text, extract(epoch FROM NEW.closed_at)::text
    ]);
    RETURN NEW;
END $$;
