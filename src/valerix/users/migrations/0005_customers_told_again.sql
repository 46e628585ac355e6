-- Where customers are reached was kept wrongly by who listens (notifications 0005): all are told once more as they are
-- now. The events are those of then, so whoever kept them rightly sees nothing new in them.
INSERT INTO outbox (subjects, versions)
SELECT ARRAY[user_id], ARRAY[max(version)] FROM user_events WHERE type LIKE 'customer.%' GROUP BY user_id;
