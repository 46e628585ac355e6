-- A refund by hand - it has the fingerprint of its request - that succeeded stays due until orders has noted it, those
-- of before as well.
ALTER TABLE refunds DROP CONSTRAINT refunds_check;
ALTER TABLE refunds ADD CONSTRAINT refunds_are_due CHECK (
    CASE status WHEN 'pending' THEN due_at IS NOT NULL WHEN 'succeeded' THEN true ELSE due_at IS NULL END) NOT VALID;
UPDATE refunds SET due_at = now() WHERE status = 'succeeded' AND fingerprint <> '';
DROP INDEX refunds_due;
CREATE INDEX refunds_due ON refunds (status, due_at) WHERE due_at IS NOT NULL;
