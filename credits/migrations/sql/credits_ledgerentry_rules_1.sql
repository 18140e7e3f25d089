-- What is true of every entry of a ledger; see credits_wallet_rules_1.
CREATE FUNCTION credits_ledgerentry_rules_1(
    number bigint,
    kind text,
    amount numeric,
    reverses_id uuid,
    transfer_id uuid,
    reference text
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    broken text;
BEGIN
    broken := CASE
        WHEN kind NOT IN ('grant', 'renew', 'recharge', 'adjust', 'lapse', 'settle', 'reversal', 'allocate', 'refill', 'sweep', 'reclaim')
            THEN 'ledgerentry_kind_known'
        WHEN number < 1 THEN 'ledgerentry_number_from_one'
        WHEN amount = 0 AND kind <> 'renew' THEN 'ledgerentry_amount_not_zero'
        WHEN kind IN ('settle', 'lapse') AND amount > 0 OR kind IN ('grant', 'recharge', 'renew') AND amount < 0
            THEN 'ledgerentry_sign_of_kind'
        WHEN kind <> 'reversal' AND (kind IN ('allocate', 'refill', 'sweep', 'reclaim')) <> (transfer_id IS NOT NULL)
            THEN 'ledgerentry_transfer_has_an_id'
        WHEN reference <> '' AND kind NOT IN ('grant', 'recharge', 'adjust', 'allocate', 'reversal', 'reclaim')
            THEN 'ledgerentry_reference_by_kind'
        WHEN kind = 'reversal' AND reverses_id IS NULL OR kind NOT IN ('settle', 'reversal') AND reverses_id IS NOT NULL
            THEN 'ledgerentry_reverses_by_kind'
    END;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'new row for relation "credits_ledgerentry" violates check constraint "%"', broken
            USING ERRCODE = 'check_violation', TABLE = 'credits_ledgerentry', CONSTRAINT = broken;
    END IF;
    RETURN true;
END $$;
