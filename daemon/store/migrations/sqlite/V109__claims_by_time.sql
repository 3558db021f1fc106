-- Claims look at what is due, and pass over nothing that is not due yet: thousands of deliveries in doubt wait for their time.
DROP INDEX outbox_claim;
CREATE INDEX outbox_claim ON outbox (target, due_at, ordinal) WHERE state IN ('pending', 'unknown');
