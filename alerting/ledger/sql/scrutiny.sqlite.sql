-- What an auditor reads: whole rows, in the order of their keys, a page at a time.

-- name: objects --
SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name

-- name: alerts_raw --
SELECT id, run_key, incident, audience, body, '{}' AS pending, digest, expires_at, accepted_at,
       ref, recipients, notes, settled_at, cancelled_at, cancel_reason
FROM alert ORDER BY ref

-- name: lanes_raw --
SELECT channel.name, lane.seat, lane.kind, lane.content, lane.fallback
FROM lane LEFT JOIN channel ON channel.ref = lane.channel
WHERE lane.alert = ? ORDER BY lane.seat, channel.name

-- name: batches_raw --
SELECT id, channel, priority, state, not_before, epoch, owner, lease_until, n_pending, n_sending, n_uncertain,
       n_accepted, n_delivered, n_undelivered, n_unresolved, n_rejected, n_expired, n_cancelled
FROM batch WHERE alert = ? ORDER BY id

-- name: deliveries_raw --
SELECT id, alert, channel, address, recipient, fallback, state, attempt, due_at, changed_at, told, decided,
       maybe_twice, reason
FROM delivery WHERE id BETWEEN ? AND ? ORDER BY id

-- name: attempts_raw --
SELECT delivery, attempt, epoch, began_at FROM attempt WHERE delivery BETWEEN ? AND ? ORDER BY delivery, attempt

-- name: outcomes_raw --
SELECT delivery, n, attempt, at, outcome, provider_id, permalink, reason, detail
FROM outcome WHERE delivery BETWEEN ? AND ? ORDER BY delivery, n

-- name: troubles_raw --
SELECT channel, state, reason, detail, n FROM trouble WHERE alert = ? ORDER BY channel, state, reason

-- name: curve_raw --
SELECT channel, second, accepted, first_ms, last_ms FROM progress WHERE alert = ? ORDER BY channel, second

-- name: strays --
SELECT 'delivery', count(*) FROM delivery WHERE (id / 1024) NOT IN (SELECT id FROM batch)
UNION ALL SELECT 'attempt', count(*) FROM attempt WHERE delivery NOT IN (SELECT id FROM delivery)
UNION ALL SELECT 'outcome', count(*) FROM outcome WHERE delivery NOT IN (SELECT id FROM delivery)
UNION ALL SELECT 'batch', count(*) FROM batch WHERE alert NOT IN (SELECT ref FROM alert)
UNION ALL SELECT 'lane', count(*) FROM lane WHERE alert NOT IN (SELECT ref FROM alert)
UNION ALL SELECT 'trouble', count(*) FROM trouble WHERE alert NOT IN (SELECT ref FROM alert)
UNION ALL SELECT 'progress', count(*) FROM progress WHERE alert NOT IN (SELECT ref FROM alert)

-- name: audit_raw --
SELECT seq, at, monotonic, actor, origin, action, subject, body, prev, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT 500

-- name: acts_of --
SELECT seq, at, monotonic, actor, origin, action, subject, body, prev, hash
FROM audit WHERE subject = ? AND action = ? ORDER BY seq

-- name: receipts_raw --
SELECT delivery, mark, status, at, heard_at, provider_id, reason, detail
FROM receipt WHERE delivery BETWEEN ? AND ? ORDER BY delivery, heard_at, mark

-- name: arrivals_raw --
SELECT channel, second, delivered, first_ms, last_ms FROM arrival WHERE alert = ? ORDER BY channel, second

-- name: opts_raw --
SELECT seq, mark, channel, address, status, at, heard_at, detail FROM opt ORDER BY seq

-- name: replies_raw --
SELECT seq, mark, channel, address, text, at, provider_id FROM reply ORDER BY seq

-- name: receipt_strays --
SELECT 'receipt', count(*) FROM receipt WHERE delivery NOT IN (SELECT id FROM delivery)
UNION ALL SELECT 'early', count(*) FROM early WHERE (delivery, mark) NOT IN (SELECT delivery, mark FROM receipt)
UNION ALL SELECT 'arrival', count(*) FROM arrival WHERE alert NOT IN (SELECT ref FROM alert)

-- name: rolls_raw --
SELECT alert.id, channel.name, roll.alert, roll.channel, first, size, places, written, question, without,
       roll.digest, roll.state, changed_at, reason
FROM roll
LEFT JOIN alert ON alert.ref = roll.alert
LEFT JOIN channel ON channel.ref = roll.channel
WHERE roll.alert = ? ORDER BY first

-- name: pieces_raw --
SELECT bytes FROM roll_part WHERE alert = ? ORDER BY n

-- name: roll_strays --
SELECT 'roll', count(*) FROM roll WHERE alert NOT IN (SELECT ref FROM alert)
UNION ALL SELECT 'roll_part', count(*) FROM roll_part WHERE alert NOT IN (SELECT alert FROM roll)
