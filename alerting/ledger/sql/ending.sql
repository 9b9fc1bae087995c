-- How an alert ends: its life is over, somebody stops it, or everything is settled.

-- name: waiting_batches --
SELECT id, channel, n_pending FROM batch WHERE alert = ? AND n_pending > 0 ORDER BY id

-- name: end_rows --
UPDATE delivery SET state = ?, due_at = 0, changed_at = ?, reason = ?
WHERE id BETWEEN ? AND ? AND state = 'pending'

-- name: end_batches --
UPDATE batch
SET n_expired = n_expired + CASE WHEN ? = 'expired' THEN n_pending ELSE 0 END,
    n_cancelled = n_cancelled + CASE WHEN ? = 'cancelled' THEN n_pending ELSE 0 END,
    n_pending = 0,
    state = CASE WHEN state = 'ready' AND n_sending + n_uncertain = 0 THEN 'done' ELSE state END
WHERE alert = ? AND n_pending > 0

-- name: withdraw --
UPDATE delivery SET state = 'cancelled', changed_at = ?, reason = ?
WHERE id = ? AND state = 'pending' AND told = 0

-- name: forget_waiting --
UPDATE trouble SET n = 0 WHERE alert = ? AND state = 'pending'

-- name: totals --
SELECT coalesce(sum(n_pending), 0), coalesce(sum(n_sending + n_uncertain), 0),
       coalesce(sum(n_accepted + n_delivered + n_undelivered + n_unresolved), 0)
FROM batch WHERE alert = ?

-- name: mark_cancelled --
UPDATE alert SET cancelled_at = ?, cancel_reason = ? WHERE ref = ? AND cancelled_at = 0

-- name: mark_settled --
UPDATE alert SET settled_at = ? WHERE ref = ? AND settled_at = 0
