-- The statements that only PostgreSQL reads: lists of ids come as arrays, runs of rows as one array a column.
-- Several processes write here at once, so what is looked at in order to be changed is locked first.

-- name: lock_batch --
SELECT id FROM batch WHERE id = ? FOR UPDATE

-- name: lock_batches --
SELECT id FROM batch WHERE id = ANY (?::bigint[]) ORDER BY id FOR UPDATE

-- name: lock_open_batches --
SELECT batch.id FROM batch
WHERE alert = (SELECT ref FROM alert WHERE id = ?) AND state <> 'done'
ORDER BY batch.id FOR UPDATE

-- name: lock_word --
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.' || ?, 0))

-- name: lock_alert --
SELECT ref FROM alert WHERE id = ? FOR UPDATE

-- name: lock_audit --
SELECT name FROM meta WHERE name = 'audit' FOR UPDATE

-- name: keep_fact --
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING

-- name: fact --
SELECT value FROM meta WHERE name = ?

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
FOR UPDATE SKIP LOCKED

-- name: candidate --
SELECT id, epoch, n_sending
FROM batch
WHERE channel = (SELECT ref FROM channel WHERE name = ?)
  AND state <> 'done'
  AND n_pending + n_sending + n_uncertain > 0
  AND not_before <= ?
  AND (state = 'ready' OR lease_until < ? OR owner = ?)
  AND id = ?
FOR UPDATE SKIP LOCKED

-- name: waiting_batches --
SELECT id, channel, n_pending FROM batch WHERE alert = ? AND n_pending > 0 ORDER BY id FOR UPDATE

-- name: add_delivery --
INSERT INTO delivery (id, alert, channel, address, recipient, fallback, state, due_at, changed_at, reason)
SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::text[], ?::text[],
                     ?::bigint[], ?::bigint[], ?::text[])
ON CONFLICT (alert, channel, address) DO NOTHING

-- name: end_rows --
UPDATE delivery SET state = ended.state, due_at = 0, changed_at = ended.at, reason = ended.reason
FROM unnest(?::text[], ?::bigint[], ?::text[], ?::bigint[], ?::bigint[])
     AS ended (state, at, reason, first, last)
WHERE delivery.id BETWEEN ended.first AND ended.last AND delivery.state = 'pending'

-- name: settle_row --
UPDATE delivery
SET state = told_of.state, due_at = told_of.due_at, changed_at = told_of.changed_at, told = told_of.told,
    decided = told_of.decided, maybe_twice = told_of.maybe_twice, reason = told_of.reason
FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::integer[], ?::integer[], ?::integer[], ?::text[], ?::bigint[])
     AS told_of (state, due_at, changed_at, told, decided, maybe_twice, reason, id)
WHERE delivery.id = told_of.id

-- name: add_outcome --
INSERT INTO outcome (delivery, n, attempt, at, outcome, provider_id, permalink, reason, detail)
SELECT * FROM unnest(?::bigint[], ?::integer[], ?::integer[], ?::bigint[], ?::text[], ?::text[], ?::text[],
                     ?::text[], ?::text[])

-- name: claim_rows --
UPDATE delivery SET state = 'sending', attempt = attempt + 1, changed_at = ?
WHERE id = ANY (?::bigint[]) AND id BETWEEN ? AND ? AND state = 'pending'
RETURNING id, reason

-- name: begin_attempts --
INSERT INTO attempt (delivery, attempt, epoch, began_at)
SELECT id, attempt, ?, ? FROM delivery WHERE id = ANY (?::bigint[])

-- name: rows_of --
SELECT id, state, attempt, told, maybe_twice, reason FROM delivery
WHERE id = ANY (?::bigint[]) AND id BETWEEN ? AND ?

-- name: fallbacks_of --
SELECT fallback, recipient FROM delivery
WHERE id = ANY (?::bigint[]) AND id BETWEEN ? AND ? AND fallback <> ''
ORDER BY id

-- name: accept_rows --
UPDATE delivery SET state = 'accepted', due_at = 0, changed_at = told_of.at, told = 1, decided = 1
FROM unnest(?::bigint[], ?::integer[], ?::bigint[], ?::text[])
     AS told_of (id, attempt, at, provider_id)
WHERE delivery.id = told_of.id AND delivery.attempt = told_of.attempt
  AND delivery.state = 'sending' AND delivery.told = 0 AND delivery.maybe_twice = 0 AND delivery.reason = ''

-- name: newly_accepted --
SELECT d.id FROM delivery d
WHERE d.id = ANY (?::bigint[]) AND d.told = 1
  AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.delivery = d.id)

-- name: add_accepted --
INSERT INTO outcome (delivery, n, attempt, at, outcome, provider_id, permalink, reason, detail)
SELECT id, 1, attempt, at, 'accepted', provider_id, '', '', ''
FROM unnest(?::bigint[], ?::integer[], ?::bigint[], ?::text[])
     AS told_of (id, attempt, at, provider_id)

-- name: add_progress --
INSERT INTO progress (alert, channel, second, accepted, first_ms, last_ms)
SELECT alert, channel, second, sum(accepted), min(first_ms), max(last_ms)
FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::integer[], ?::bigint[], ?::bigint[])
     AS told_of (alert, channel, second, accepted, first_ms, last_ms)
GROUP BY alert, channel, second ORDER BY alert, channel, second
ON CONFLICT (alert, channel, second) DO UPDATE
SET accepted = progress.accepted + excluded.accepted,
    first_ms = least(progress.first_ms, excluded.first_ms),
    last_ms = greatest(progress.last_ms, excluded.last_ms)

-- name: add_arrival --
INSERT INTO arrival (alert, channel, second, delivered, first_ms, last_ms)
SELECT alert, channel, second, count(*), min(first_ms), max(last_ms)
FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[])
     AS told_of (alert, channel, second, first_ms, last_ms)
GROUP BY alert, channel, second ORDER BY alert, channel, second
ON CONFLICT (alert, channel, second) DO UPDATE
SET delivered = arrival.delivered + excluded.delivered,
    first_ms = least(arrival.first_ms, excluded.first_ms),
    last_ms = greatest(arrival.last_ms, excluded.last_ms)

-- name: keep_speaking --
UPDATE speaker SET until = clock.now + ?
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS clock
WHERE channel = ? AND owner = ? AND until >= clock.now + ?

-- name: join_speakers --
INSERT INTO speaker (channel, owner, since, until)
SELECT ?, ?, clock.now, clock.now + ? FROM (
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS clock
ON CONFLICT (channel, owner) DO UPDATE
SET until = excluded.until,
    since = CASE WHEN speaker.until < excluded.since THEN excluded.since ELSE speaker.since END

-- name: speakers --
SELECT owner, since, clock.now
FROM speaker, (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS clock
WHERE channel = ? AND until >= clock.now
ORDER BY since, owner

-- name: hold_speakers --
UPDATE speaker SET since = clock.now
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS clock
WHERE (channel, owner) IN (
    SELECT channel, owner FROM speaker
    WHERE channel = ? AND since > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - ?
        AND since > (SELECT mine.since FROM speaker AS mine WHERE mine.channel = ? AND mine.owner = ?)
    FOR UPDATE SKIP LOCKED)

-- name: leave_speakers --
UPDATE speaker SET until = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + ?
WHERE channel = ? AND owner = ?

-- name: forget_speakers --
DELETE FROM speaker WHERE channel = ? AND until < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - ?

-- name: be_first --
SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '.first.' || ?, 0))

-- name: defer_jobs --
SELECT procrastinate_defer_jobs_v1(array_agg(job.told ORDER BY job.id)) FROM (
    SELECT batch.id,
           ROW(CASE WHEN octet_length(channel.name) <= 40 THEN channel.name ELSE md5(channel.name) END,
               'alerting.batch', batch.priority, NULL, NULL,
               jsonb_build_object('batch', batch.id, 'alert', batch.alert, 'channel', channel.name),
               CASE WHEN batch.not_before > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
                    THEN to_timestamp(batch.not_before / 1000000.0) END
           )::procrastinate_job_to_defer_v1 AS told
    FROM batch JOIN channel ON channel.ref = batch.channel
    WHERE batch.id = ANY (?::bigint[]) AND batch.state = 'ready'
      AND batch.n_pending + batch.n_sending + batch.n_uncertain > 0
) AS job HAVING count(*) > 0

-- name: drop_jobs --
SELECT procrastinate_cancel_job_v1(job.id, false, true) FROM (
    SELECT id FROM procrastinate_jobs
    WHERE status = 'todo' AND task_name = 'alerting.batch' AND (args ->> 'alert')::bigint = ?
    FOR UPDATE SKIP LOCKED
) AS job

-- name: end_stuck --
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name = 'alert'
  AND pid <> pg_backend_pid() AND state = 'idle in transaction' AND backend_xid IS NOT NULL
  AND state_change < clock_timestamp() - make_interval(secs => ?)

-- name: left_behind --
SELECT channel.name, batch.id
FROM batch JOIN channel ON channel.ref = batch.channel
WHERE batch.state = 'leased' AND batch.lease_until < ? AND batch.not_before <= ?
  AND batch.n_pending + batch.n_sending + batch.n_uncertain > 0
ORDER BY batch.priority DESC, batch.id
LIMIT ?

-- name: most_urgent --
SELECT asked.name, (
    SELECT priority FROM procrastinate_jobs
    WHERE status = 'todo' AND queue_name = asked.name AND (scheduled_at IS NULL OR scheduled_at <= now())
    ORDER BY priority DESC, id LIMIT 1
) FROM (SELECT name FROM jsonb_array_elements_text(?::jsonb) AS name) AS asked

-- name: try_word --
SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.' || ?, 0))

-- name: drop_stalled_jobs --
SELECT (job.args ->> 'batch')::bigint, procrastinate_finish_job_v1(job.id, 'aborted', true) FROM (
    SELECT doing.id, doing.args
    FROM procrastinate_jobs AS doing LEFT JOIN procrastinate_workers AS worker ON worker.id = doing.worker_id
    WHERE doing.status = 'doing' AND doing.task_name = 'alerting.batch'
      AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => ?))
    FOR UPDATE OF doing SKIP LOCKED
) AS job

-- name: without_job --
SELECT id FROM batch
WHERE state = 'ready' AND n_pending + n_sending + n_uncertain > 0
  AND NOT EXISTS (
    SELECT FROM procrastinate_jobs
    WHERE status IN ('todo', 'doing') AND task_name = 'alerting.batch' AND (args ->> 'batch')::bigint = batch.id
  )
