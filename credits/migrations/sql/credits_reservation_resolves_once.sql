-- A reservation leaves 'open' once. Settled and released are final; an expired one may still be settled, late.
CREATE FUNCTION credits_reservation_resolves_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'expired' AND NEW.status = 'settled' AND NEW.late THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'reservation % is %', OLD.id, OLD.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'reservation_resolves_once';
END $$;
