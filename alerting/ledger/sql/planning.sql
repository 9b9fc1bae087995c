-- Opening an alert and planning its deliveries.

-- name: add_alert --
INSERT INTO alert (id, run_key, incident, audience, body, digest, expires_at, accepted_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
RETURNING ref

-- name: add_channel --
INSERT INTO channel (name) VALUES (?) ON CONFLICT (name) DO NOTHING

-- name: add_lane --
INSERT INTO lane (alert, channel, seat, kind, content, fallback)
SELECT ?, ref, ?, ?, ?, ? FROM channel WHERE name = ?

-- name: lane_of --
SELECT lane.alert, lane.channel, alert.accepted_at, alert.cancelled_at, alert.cancel_reason
FROM lane
JOIN alert ON alert.ref = lane.alert
JOIN channel ON channel.ref = lane.channel
WHERE alert.id = ? AND channel.name = ?

-- name: add_batch --
INSERT INTO batch (alert, channel, priority, not_before) VALUES (?, ?, ?, ?) RETURNING id

-- name: add_delivery --
INSERT INTO delivery (id, alert, channel, address, recipient, fallback, state, due_at, changed_at, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (alert, channel, address) DO NOTHING

-- name: count_batch --
UPDATE batch SET n_pending = ?, n_cancelled = ?, state = ? WHERE id = ?

-- name: drop_batch --
DELETE FROM batch WHERE id = ?

-- name: reopen --
UPDATE alert SET settled_at = 0 WHERE ref = ? AND settled_at <> 0

-- name: alert_head --
SELECT ref, expires_at, recipients, settled_at, cancelled_at FROM alert WHERE id = ?

-- name: close_planning --
UPDATE alert SET recipients = ?, notes = ? WHERE ref = ?
