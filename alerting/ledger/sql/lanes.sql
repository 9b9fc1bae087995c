-- What a lane does with its batches and rows.

-- name: candidates --
SELECT id, epoch, n_sending
FROM batch
WHERE channel = (SELECT ref FROM channel WHERE name = ?)
  AND state <> 'done'
  AND n_pending + n_sending + n_uncertain > 0
  AND not_before <= ?
  AND (state = 'ready' OR lease_until < ? OR owner = ?)
ORDER BY priority DESC, id
LIMIT ?

-- name: candidate --
SELECT id, epoch, n_sending
FROM batch
WHERE channel = (SELECT ref FROM channel WHERE name = ?)
  AND state <> 'done'
  AND n_pending + n_sending + n_uncertain > 0
  AND not_before <= ?
  AND (state = 'ready' OR lease_until < ? OR owner = ?)
  AND id = ?

-- name: take_batch --
UPDATE batch SET state = 'leased', epoch = epoch + 1, owner = ?, lease_until = ? WHERE id = ?

-- name: names_of_batch --
SELECT alert.id, channel.name, batch.priority
FROM batch JOIN alert ON alert.ref = batch.alert JOIN channel ON channel.ref = batch.channel
WHERE batch.id = ?

-- name: left_sending --
SELECT id, attempt, told, maybe_twice FROM delivery WHERE id BETWEEN ? AND ? AND state = 'sending'

-- name: open_rows --
SELECT d.id, d.address, d.state, d.attempt, CASE WHEN d.told = 0 THEN 0 ELSE d.due_at END,
       CASE WHEN d.attempt = 0 THEN 0
            ELSE coalesce((SELECT a.began_at FROM attempt a
                           WHERE a.delivery = d.id AND a.attempt = d.attempt), 0) END,
       d.maybe_twice, d.fallback
FROM delivery d
WHERE d.id BETWEEN ? AND ? AND d.state IN ('pending', 'sending', 'uncertain')
ORDER BY d.id

-- name: claim_run --
UPDATE delivery SET state = 'sending', attempt = attempt + 1, changed_at = ?
WHERE id BETWEEN ? AND ?
  AND (SELECT count(*) FROM delivery WHERE id BETWEEN ? AND ? AND state = 'pending' AND reason = '') = ?

-- name: begin_run --
INSERT INTO attempt (delivery, attempt, epoch, began_at)
SELECT id, attempt, ?, ? FROM delivery WHERE id BETWEEN ? AND ?

-- name: due_batches --
SELECT min(CASE WHEN state = 'ready' OR not_before > lease_until THEN not_before ELSE lease_until + 1 END)
FROM batch
WHERE channel = (SELECT ref FROM channel WHERE name = ?)
  AND state <> 'done'
  AND n_pending + n_sending + n_uncertain > 0

-- name: fence --
SELECT batch.alert, batch.channel, batch.epoch, batch.state, alert.accepted_at, alert.cancelled_at,
       alert.cancel_reason
FROM batch JOIN alert ON alert.ref = batch.alert
WHERE batch.id = ?

-- name: add_outcome --
INSERT INTO outcome (delivery, n, attempt, at, outcome, provider_id, permalink, reason, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: settle_row --
UPDATE delivery
SET state = ?, due_at = ?, changed_at = ?, told = ?, decided = ?, maybe_twice = ?, reason = ?
WHERE id = ?

-- name: hear_late --
UPDATE delivery SET told = ?, maybe_twice = ? WHERE id = ?

-- name: decided_by --
SELECT o.provider_id, o.attempt FROM delivery d JOIN outcome o ON o.delivery = d.id AND o.n = d.decided WHERE d.id = ?

-- name: address_of --
SELECT channel.name, d.address FROM delivery d JOIN channel ON channel.ref = d.channel WHERE d.id = ?

-- name: move_counters --
UPDATE batch
SET n_pending = n_pending + ?, n_sending = n_sending + ?, n_uncertain = n_uncertain + ?,
    n_accepted = n_accepted + ?, n_delivered = n_delivered + ?, n_undelivered = n_undelivered + ?,
    n_unresolved = n_unresolved + ?, n_rejected = n_rejected + ?, n_expired = n_expired + ?,
    n_cancelled = n_cancelled + ?
WHERE id = ?

-- name: raise_trouble --
INSERT INTO trouble (alert, channel, state, reason, detail, n) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (alert, channel, state, reason) DO UPDATE
SET n = trouble.n + excluded.n,
    detail = CASE WHEN excluded.detail = '' THEN trouble.detail ELSE excluded.detail END

-- name: lower_trouble --
UPDATE trouble SET n = n - ? WHERE alert = ? AND channel = ? AND state = ? AND reason = ?

-- name: add_progress --
INSERT INTO progress (alert, channel, second, accepted, first_ms, last_ms) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (alert, channel, second) DO UPDATE
SET accepted = progress.accepted + excluded.accepted,
    first_ms = CASE WHEN excluded.first_ms < progress.first_ms THEN excluded.first_ms
                    ELSE progress.first_ms END,
    last_ms = CASE WHEN excluded.last_ms > progress.last_ms THEN excluded.last_ms
                   ELSE progress.last_ms END

-- name: live_lease --
SELECT id FROM batch WHERE state = 'leased' AND lease_until >= ? LIMIT 1

-- name: release_batch --
UPDATE batch
SET state = CASE WHEN n_pending + n_sending + n_uncertain = 0 THEN 'done' ELSE 'ready' END,
    owner = '', lease_until = 0, not_before = ?
WHERE id = ? AND epoch = ? AND state = 'leased'

-- name: renew_batch --
UPDATE batch SET lease_until = ? WHERE id = ? AND epoch = ? AND state = 'leased'
