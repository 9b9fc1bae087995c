-- What can be asked.

-- name: alert --
SELECT ref, body, digest, accepted_at, settled_at, cancelled_at, cancel_reason FROM alert WHERE id = ?

-- name: alerts --
SELECT ref, body, digest, accepted_at, settled_at, cancelled_at, cancel_reason
FROM alert WHERE substr(id, 1, 2) <> 'N-' ORDER BY ref DESC LIMIT ?

-- name: notices --
SELECT ref, body, digest, accepted_at, settled_at, cancelled_at, cancel_reason
FROM alert WHERE substr(id, 1, 2) = 'N-' ORDER BY ref DESC LIMIT ?

-- name: lanes --
SELECT channel.name, lane.kind, lane.content, lane.fallback
FROM lane JOIN channel ON channel.ref = lane.channel
WHERE lane.alert = ?
ORDER BY lane.seat

-- name: alert_of_run --
SELECT id FROM alert WHERE run_key = ?

-- name: unsettled --
SELECT alert.id, channel.name
FROM batch
JOIN alert ON alert.ref = batch.alert
JOIN channel ON channel.ref = batch.channel
JOIN lane ON lane.alert = batch.alert AND lane.channel = batch.channel
WHERE batch.state <> 'done' AND batch.n_pending + batch.n_sending + batch.n_uncertain > 0
GROUP BY alert.ref, alert.id, channel.name, lane.seat
ORDER BY max(batch.priority) DESC, alert.ref, lane.seat

-- name: tally --
SELECT channel.name,
       coalesce(sum(n_pending), 0), coalesce(sum(n_sending), 0), coalesce(sum(n_uncertain), 0),
       coalesce(sum(n_accepted), 0), coalesce(sum(n_delivered), 0), coalesce(sum(n_undelivered), 0),
       coalesce(sum(n_unresolved), 0), coalesce(sum(n_rejected), 0), coalesce(sum(n_expired), 0),
       coalesce(sum(n_cancelled), 0)
FROM lane
JOIN alert ON alert.ref = lane.alert
JOIN channel ON channel.ref = lane.channel
LEFT JOIN batch ON batch.alert = lane.alert AND batch.channel = lane.channel
WHERE alert.id = ?
GROUP BY channel.name, lane.channel, lane.seat
ORDER BY lane.seat

-- name: progress --
SELECT channel.name, progress.second, progress.accepted, progress.first_ms, progress.last_ms
FROM progress
JOIN alert ON alert.ref = progress.alert
JOIN channel ON channel.ref = progress.channel
JOIN lane ON lane.alert = progress.alert AND lane.channel = progress.channel
WHERE alert.id = ?
ORDER BY lane.seat, progress.second

-- name: failures --
SELECT channel.name, trouble.state, trouble.reason, trouble.detail, trouble.n
FROM trouble
JOIN alert ON alert.ref = trouble.alert
JOIN channel ON channel.ref = trouble.channel
JOIN lane ON lane.alert = trouble.alert AND lane.channel = trouble.channel
WHERE alert.id = ? AND trouble.n > 0
ORDER BY lane.seat, trouble.n DESC, trouble.state, trouble.reason

-- name: batches_of --
SELECT batch.id, channel.name, n_pending, n_sending, n_uncertain, n_accepted, n_delivered, n_undelivered,
       n_unresolved, n_rejected, n_expired, n_cancelled
FROM batch
JOIN alert ON alert.ref = batch.alert
JOIN lane ON lane.alert = batch.alert AND lane.channel = batch.channel
JOIN channel ON channel.ref = batch.channel
WHERE alert.id = ?
ORDER BY lane.seat, batch.id

-- name: rows_between --
SELECT d.id, d.address, d.state, d.attempt, CASE WHEN d.told = 0 THEN 0 ELSE d.due_at END,
       coalesce(o.provider_id, ''), coalesce(o.permalink, ''),
       d.reason, coalesce(o.detail, ''), d.maybe_twice, d.changed_at
FROM delivery d LEFT JOIN outcome o ON o.delivery = d.id AND o.n = d.decided
WHERE d.id BETWEEN ? AND ?
ORDER BY d.id

-- name: rows_to --
SELECT channel.name, d.id, d.address, d.state, d.attempt, CASE WHEN d.told = 0 THEN 0 ELSE d.due_at END,
       coalesce(o.provider_id, ''), coalesce(o.permalink, ''), d.reason, coalesce(o.detail, ''), d.maybe_twice, d.changed_at
FROM lane
JOIN alert ON alert.ref = lane.alert
JOIN channel ON channel.ref = lane.channel
JOIN delivery d ON d.alert = lane.alert AND d.channel = lane.channel AND d.address = ?
LEFT JOIN outcome o ON o.delivery = d.id AND o.n = d.decided
WHERE alert.id = ?
ORDER BY lane.seat, d.id

-- name: attempts_between --
SELECT a.delivery, d.address, a.attempt, a.epoch, a.began_at, coalesce(o.at, 0), coalesce(o.outcome, ''),
       coalesce(o.reason, ''), coalesce(o.detail, ''), coalesce(o.provider_id, '')
FROM attempt a
JOIN delivery d ON d.id = a.delivery
LEFT JOIN outcome o ON o.delivery = a.delivery AND o.n = (
    SELECT max(n) FROM outcome WHERE delivery = a.delivery AND attempt = a.attempt)
WHERE a.delivery BETWEEN ? AND ?
ORDER BY a.delivery, a.attempt

-- name: threads --
SELECT mine.address, o.provider_id
FROM delivery mine
JOIN alert now ON now.ref = mine.alert
JOIN alert before ON before.incident = now.incident AND before.ref < now.ref
JOIN delivery d ON d.alert = before.ref AND d.channel = mine.channel AND d.address = mine.address
JOIN outcome o ON o.delivery = d.id AND o.n = d.decided
WHERE mine.id BETWEEN ? AND ? AND o.provider_id <> '' AND d.state IN ('accepted', 'delivered', 'undelivered')
ORDER BY mine.id, before.ref

-- name: incident_number --
SELECT count(*) FROM alert WHERE incident = ?

-- An index holds what is asked of every incident ever; acts are looked at of the live ones.

-- name: open_incidents --
SELECT incident FROM alert
WHERE substr(incident, 1, 2) = 'L-'
GROUP BY incident
HAVING NOT EXISTS (SELECT 1 FROM audit WHERE subject = incident AND action = 'incident.closed')
ORDER BY max(ref) DESC

-- name: left_undone --
SELECT alert.id FROM alert
WHERE EXISTS (SELECT 1 FROM audit WHERE subject = alert.id AND action = ?)
  AND NOT EXISTS (SELECT 1 FROM audit WHERE subject = alert.id AND action = ?)
ORDER BY alert.ref

-- name: audience_size --
SELECT recipients FROM alert WHERE audience = ? AND recipients > 0 ORDER BY ref DESC LIMIT 1

-- name: audit_after --
SELECT seq, at, monotonic, actor, origin, action, subject, body, prev, hash
FROM audit WHERE seq > ? ORDER BY seq LIMIT ?

-- name: audit_of --
SELECT seq, at, monotonic, actor, origin, action, subject, body, prev, hash
FROM audit WHERE subject = ? AND seq > ? ORDER BY seq LIMIT ?

-- name: audit_head --
SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1

-- name: add_audit --
INSERT INTO audit (seq, at, monotonic, actor, origin, action, subject, body, prev, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: alerts_of --
SELECT ref, body, digest, accepted_at, settled_at, cancelled_at, cancel_reason FROM alert WHERE incident = ? ORDER BY ref

-- name: recipients_between --
SELECT address, recipient, fallback, state, maybe_twice, reason FROM delivery WHERE id BETWEEN ? AND ? ORDER BY id
