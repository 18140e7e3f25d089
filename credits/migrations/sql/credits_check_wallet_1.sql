CREATE FUNCTION credits_check_wallet_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.checksum := credits_checksum_1(ARRAY[
        NEW.id::text, NEW.organization_id::text, NEW.period_id::text, NEW.balance::text, NEW.reserved::text, NEW.open_holds::text,
        NEW.allowance_remaining::text, extract(epoch FROM NEW.lapse_at)::text,
        extract(epoch FROM NEW.refill_cooldown_ends_at)::text, extract(epoch FROM NEW.refill_retry_at)::text, NEW.head_number::text,
        encode(NEW.head_hash, 'hex'), extract(epoch FROM NEW.posted_at)::text, NEW.event_position::text, NEW.terms_version::text,
        extract(epoch FROM NEW.created_at)::text
    ]);
    RETURN NEW;
END $$;
