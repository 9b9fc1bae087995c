-- Receipts: finding their row, keeping them, and what they do to it.

-- name: target --
SELECT d.id, d.state, d.attempt, d.told, d.decided, d.reason, d.address, d.alert, d.channel,
       alert.id, channel.name, alert.accepted_at, coalesce(o.provider_id, ''), coalesce(o.permalink, '')
FROM delivery d
JOIN alert ON alert.ref = d.alert
JOIN channel ON channel.ref = d.channel
LEFT JOIN outcome o ON o.delivery = d.id AND o.n = d.decided
WHERE d.id = ?

-- Reads all that lately became of messages: an index for this would cost every message that is sent.
-- name: named_by --
SELECT DISTINCT delivery FROM outcome
WHERE provider_id = ? AND delivery >= 1024 * (
    SELECT min(batch.id) FROM batch JOIN alert ON alert.ref = batch.alert WHERE alert.accepted_at > ?)
LIMIT 2

-- name: lately_to --
SELECT d.id, alert.id, coalesce(o.provider_id, ''), d.state
FROM alert
JOIN channel ON channel.name = ?
JOIN delivery d ON d.alert = alert.ref AND d.channel = channel.ref AND d.address = ?
LEFT JOIN outcome o ON o.delivery = d.id AND o.n = d.decided
WHERE alert.ref > (SELECT coalesce(max(ref), 0) - 200 FROM alert) AND alert.accepted_at > ?
ORDER BY alert.ref DESC
LIMIT 50

-- name: add_receipt --
INSERT INTO receipt (delivery, mark, status, at, heard_at, provider_id, reason, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (delivery, mark) DO NOTHING

-- name: receive_row --
UPDATE delivery SET state = ?, due_at = 0, changed_at = ?, told = ?, decided = ?, reason = ? WHERE id = ?

-- name: add_early --
INSERT INTO early (delivery, mark) VALUES (?, ?) ON CONFLICT (delivery, mark) DO NOTHING

-- name: early_between --
SELECT r.delivery, r.mark, r.status, r.at, r.provider_id, r.reason, r.detail
FROM early JOIN receipt r ON r.delivery = early.delivery AND r.mark = early.mark
WHERE early.delivery BETWEEN ? AND ?
ORDER BY r.delivery, r.heard_at, r.mark

-- name: drop_early --
DELETE FROM early WHERE delivery = ? AND mark = ?

-- name: add_orphan --
INSERT INTO orphan (mark, channel, status, at, heard_at, due_at, key, provider_id, address, reason, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (mark) DO NOTHING

-- name: orphans_due --
SELECT mark, channel, status, at, heard_at, key, provider_id, address, reason, detail
FROM orphan WHERE due_at <= ? ORDER BY due_at, mark LIMIT ?

-- name: put_off_orphan --
UPDATE orphan SET due_at = ? WHERE mark = ?

-- name: drop_orphan --
DELETE FROM orphan WHERE mark = ?

-- name: orphans --
SELECT count(*) FROM orphan

-- name: add_arrival --
INSERT INTO arrival (alert, channel, second, delivered, first_ms, last_ms) VALUES (?, ?, ?, 1, ?, ?)
ON CONFLICT (alert, channel, second) DO UPDATE
SET delivered = arrival.delivered + 1,
    first_ms = CASE WHEN excluded.first_ms < arrival.first_ms THEN excluded.first_ms
                    ELSE arrival.first_ms END,
    last_ms = CASE WHEN excluded.last_ms > arrival.last_ms THEN excluded.last_ms
                   ELSE arrival.last_ms END

-- name: arrivals --
SELECT channel.name, arrival.second, arrival.delivered, arrival.first_ms, arrival.last_ms
FROM arrival
JOIN alert ON alert.ref = arrival.alert
JOIN channel ON channel.ref = arrival.channel
JOIN lane ON lane.alert = arrival.alert AND lane.channel = arrival.channel
WHERE alert.id = ?
ORDER BY lane.seat, arrival.second

-- name: receipts_between --
SELECT r.delivery, r.status, r.at, r.heard_at, r.provider_id, r.reason, r.detail
FROM receipt r
WHERE r.delivery BETWEEN ? AND ?
ORDER BY r.delivery, r.heard_at, r.mark

-- name: add_opt --
INSERT INTO opt (mark, channel, address, status, at, heard_at, detail) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (mark) DO NOTHING

-- name: opted_out --
SELECT o.address FROM opt o
WHERE o.channel = ? AND o.status = 'opted_out' AND NOT EXISTS (
    SELECT 1 FROM opt newer
    WHERE newer.channel = o.channel AND newer.address = o.address
      AND (newer.at > o.at OR (newer.at = o.at AND newer.seq > o.seq)))
ORDER BY o.address

-- name: opts --
SELECT seq, channel, address, status, at, heard_at, detail FROM opt WHERE seq > ? ORDER BY seq LIMIT ?

-- name: add_reply --
INSERT INTO reply (mark, channel, address, text, at, provider_id) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (mark) DO NOTHING

-- name: replies --
SELECT seq, channel, address, text, at, provider_id FROM reply WHERE seq > ? ORDER BY seq LIMIT ?
