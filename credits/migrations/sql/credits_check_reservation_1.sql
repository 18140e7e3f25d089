CREATE FUNCTION credits_check_reservation_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.checksum := credits_checksum_1(ARRAY[
        NEW.id::text, NEW.wallet_id::text, NEW.period_id::text, NEW.status::text, NEW.mode::text, NEW.credits::text,
        NEW.free_credits::text, NEW.settled_credits::text, NEW.late::text, NEW.actor_id::text, NEW.group_id::text,
        NEW.counter_ids::text, NEW.work_type::text, NEW.resource_type::text, NEW.resource_id::text, NEW.requested_model::text,
        NEW.effective_model::text, NEW.decision::text, NEW.is_charged::text, NEW.byok::text, NEW.estimate::text,
        NEW.rate_card::text, NEW.settled_with::text, NEW.figures::text, NEW.metadata::text, NEW.performed_by::text,
        extract(epoch FROM NEW.expires_at)::text, extract(epoch FROM NEW.created_at)::text, extract(epoch FROM NEW.closed_at)::text
    ]);
    RETURN NEW;
END $$;
