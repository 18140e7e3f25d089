-- A bare pair: the least that holding and charging credits can be, on three small tables with primary keys and nothing else.

CREATE TABLE bench.wallet (
    id integer PRIMARY KEY,
    balance numeric(24, 6) NOT NULL,
    reserved numeric(24, 6) NOT NULL
);
CREATE TABLE bench.held (
    id uuid PRIMARY KEY,
    wallet_id integer NOT NULL,
    credits numeric(24, 6) NOT NULL,
    settled numeric(24, 6)
);
CREATE TABLE bench.entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    wallet_id integer NOT NULL,
    held_id uuid NOT NULL,
    amount numeric(24, 6) NOT NULL
);

CREATE FUNCTION bench.bare_hold(p_wallet integer, p_id uuid, p_credits numeric) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM bench.wallet WHERE id = p_wallet FOR NO KEY UPDATE;
    UPDATE bench.wallet SET reserved = reserved + p_credits WHERE id = p_wallet AND balance - reserved >= p_credits;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO bench.held (id, wallet_id, credits) VALUES (p_id, p_wallet, p_credits);
    RETURN p_id;
END $$;

CREATE FUNCTION bench.bare_settle(p_wallet integer, p_id uuid, p_credits numeric) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_held numeric;
BEGIN
    PERFORM 1 FROM bench.wallet WHERE id = p_wallet FOR NO KEY UPDATE;
    UPDATE bench.held SET settled = p_credits WHERE id = p_id AND settled IS NULL RETURNING credits INTO v_held;
    INSERT INTO bench.entry (wallet_id, held_id, amount) VALUES (p_wallet, p_id, -p_credits);
    UPDATE bench.wallet SET balance = balance - p_credits, reserved = reserved - v_held WHERE id = p_wallet;
    RETURN 'settled';
END $$;
