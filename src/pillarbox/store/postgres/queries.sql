-- name: lock_migrations
-- Let one node at a time change the schema.
SELECT pg_advisory_lock(5061488211);

-- name: unlock_migrations
-- Let the next one look.
SELECT pg_advisory_unlock(5061488211);

-- name: create_migrations
-- The migrations that were applied.
CREATE TABLE IF NOT EXISTS migration (
  number integer PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: schema_version
-- The last migration that was applied.
SELECT coalesce(max(number), 0) FROM migration;

-- name: note_migration
-- Note that a migration was applied.
INSERT INTO migration (number) VALUES ($1);

-- name: begin_epoch
-- Open as a node, which fences out whoever was it before.
INSERT INTO node (name, epoch, is_clean, heartbeat) VALUES ($1, 1, false, $2)
ON CONFLICT (name) DO UPDATE SET epoch = node.epoch + 1, is_clean = false, heartbeat = $2
RETURNING epoch;

-- name: was_clean
-- Whether a node was stopped cleanly.
SELECT is_clean FROM node WHERE name = $1;

-- name: check_epoch
-- Find out whether a write may still be done: a row, or the writer is fenced. The lock keeps
-- others from taking over before this transaction has ended.
SELECT 1 FROM node WHERE name = $1 AND epoch = $2 FOR SHARE;

-- name: close_node
-- Say that the node was stopped cleanly.
UPDATE node SET is_clean = true WHERE name = $1 AND epoch = $2;

-- name: heartbeat
-- Say that the node lives.
UPDATE node SET heartbeat = $3 WHERE name = $1 AND epoch = $2;

-- name: dead_nodes
-- Nodes that have been silent since a time and have queues.
SELECT name FROM node
WHERE name <> $1
  AND heartbeat < $2
  AND EXISTS (SELECT 1 FROM queue WHERE queue.owner = node.name)
FOR UPDATE SKIP LOCKED;

-- name: fence_nodes
-- Keep nodes that are taken for dead from writing.
UPDATE node SET epoch = epoch + 1, is_clean = true WHERE name = ANY($1::text[]);

-- name: recover
-- Queue again what was in flight when nodes died.
UPDATE recipient SET state = 0, next_attempt_at = $2
WHERE state = 1
  AND queue IN (SELECT id FROM queue WHERE owner = ANY($1::text[]))
RETURNING message, position;

-- name: adopt_queues
-- Take the queues of dead nodes.
UPDATE queue SET owner = $1 WHERE owner = ANY($2::text[]);

-- name: find_queue
-- The number of a queue key of this node.
SELECT min(id) FROM queue
WHERE owner = $1 AND lane = $2 AND destination = $3 AND route = $4 AND source = $5;

-- name: add_queue
-- Give a queue key a number.
INSERT INTO queue (owner, lane, destination, route, source) VALUES ($1, $2, $3, $4, $5)
RETURNING id;

-- name: has_chunks
-- See whether the chunks of a large body have come in.
SELECT EXISTS (SELECT 1 FROM chunk WHERE message = $1);

-- name: write_chunk
-- Write a part of a large body.
INSERT INTO chunk (message, number, owner, content) VALUES ($1, $2, $3, $4);

-- name: discard_chunks
-- Forget a large body.
DELETE FROM chunk WHERE message = $1;

-- name: discard_orphans
-- Forget the large bodies of a node that no message was kept for.
DELETE FROM chunk
WHERE owner = $1
  AND message < $2
  AND NOT EXISTS (SELECT 1 FROM message WHERE message.id = chunk.message);

-- name: keep_messages
-- Keep new mail in one step, and say whether it may still be done (see check_epoch): the number
-- of rows is 0 when the writer is fenced, and nothing was kept.
WITH owner AS (
  SELECT 1 FROM node WHERE name = $1 AND epoch = $2 FOR SHARE
),
kept AS (
  INSERT INTO message (
    id, accepted_at, sender_local, sender_domain, body_type, smtputf8, ret, envelope_id,
    size, checksum, header_size, has_8bit, has_long_lines, message_id_header, origin,
    identity, client, bounce_of
  )
  SELECT arrived.*
  FROM
    owner,
    unnest(
      $3::bigint[], $4::double precision[], $5::text[], $6::text[], $7::text[],
      $8::boolean[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[],
      $14::boolean[], $15::boolean[], $16::text[], $17::text[], $18::text[], $19::text[],
      $20::bigint[]
    ) AS arrived
),
contents AS (
  INSERT INTO body (message, content)
  SELECT arrived.* FROM owner, unnest($3::bigint[], $21::bytea[]) AS arrived
),
addressed AS (
  INSERT INTO recipient (
    message, position, queue, state, attempts, crashes, next_attempt_at, last_reply,
    delay_notified, local_part, domain, notify, original
  )
  SELECT arrived.*
  FROM
    owner,
    unnest(
      $22::bigint[], $23::integer[], $24::bigint[], $25::smallint[], $26::integer[],
      $27::integer[], $28::double precision[], $29::text[], $30::boolean[], $31::text[],
      $32::text[], $33::smallint[], $34::text[]
    ) AS arrived
)
SELECT count(*) FROM owner;

-- name: start_attempts
-- Mark attempts; what an operator has held or canceled meanwhile stays as it is.
UPDATE recipient
SET state = 1, attempts = attempts + 1, next_attempt_at = NULL
FROM unnest($1::bigint[], $2::integer[]) AS mark (message, position)
WHERE recipient.message = mark.message
  AND recipient.position = mark.position
  AND recipient.state IN (0, 3);

-- name: settle_recipients
-- Record results; a held or finished recipient takes nothing but an end.
UPDATE recipient
SET
  state = result.state,
  attempts = result.attempts,
  next_attempt_at = result.next_attempt_at,
  last_reply = result.last_reply,
  delay_notified = result.delay_notified
FROM
  unnest(
    $1::bigint[], $2::integer[], $3::smallint[], $4::integer[], $5::double precision[],
    $6::text[], $7::boolean[]
  ) AS result (
    message, position, state, attempts, next_attempt_at, last_reply, delay_notified
  )
WHERE recipient.message = result.message
  AND recipient.position = result.position
  AND (recipient.state IN (0, 1, 3) OR result.state IN (2, 4, 6, 7));

-- name: count_recipients
-- How many of some recipients there are.
SELECT count(*)
FROM unnest($1::bigint[], $2::integer[]) AS wanted (message, position)
JOIN recipient USING (message, position);

-- name: finish_messages
-- Note the time for messages whose recipients are all done, and delete their contents.
WITH done AS (
  UPDATE message SET final_at = $2
  WHERE id = ANY($1::bigint[])
    AND final_at IS NULL
    AND NOT EXISTS (
      SELECT 1 FROM recipient
      WHERE recipient.message = message.id
        AND (state IN (0, 1, 5) OR (state = 3 AND next_attempt_at IS NOT NULL))
    )
  RETURNING id
),
dropped AS (
  DELETE FROM body WHERE message IN (SELECT id FROM done)
)
DELETE FROM chunk WHERE message IN (SELECT id FROM done);

-- name: suspect_again
-- Leave recipients as they were found, if nobody has tried or changed them.
UPDATE recipient SET state = 1, next_attempt_at = NULL
FROM unnest($1::bigint[], $2::integer[]) AS suspect (message, position)
WHERE recipient.message = suspect.message
  AND recipient.position = suspect.position
  AND recipient.state = 0;

-- name: bring_near
-- Make some retries of a node that are due later than a time due then, and some of what was
-- accepted in what is the future now.
UPDATE recipient SET next_attempt_at = $2
WHERE (message, position) IN (
  SELECT message, position FROM recipient
  WHERE next_attempt_at > $2
    AND (attempts > 0 OR message > $3)
    AND queue IN (SELECT id FROM queue WHERE owner = $1)
  LIMIT $4
);

-- name: count_crash
-- Note that an attempt for suspects is about to be risked; return their counts.
UPDATE recipient SET crashes = crashes + 1
WHERE message = $1 AND position = ANY($2::integer[])
RETURNING crashes;

-- name: change_recipient
-- Do what an operator wants, unless the recipient has moved on, or is another node's.
UPDATE recipient
SET state = $1, crashes = $2, next_attempt_at = $3, queue = coalesce($8::bigint, queue)
WHERE message = $4
  AND position = $5
  AND state = $6
  AND queue IN (SELECT id FROM queue WHERE owner = $7);

-- name: write_journal
-- Write a part of the journal.
INSERT INTO journal (day, entries) VALUES ($1, $2) RETURNING number;

-- name: index_journal
-- Note which messages a part of the journal speaks of.
INSERT INTO journal_message (day, message, number)
SELECT $1, message, $3 FROM unnest($2::bigint[]) AS spoken (message);

-- name: lanes
-- The lanes of a node.
SELECT DISTINCT lane FROM queue WHERE owner = $1;

-- name: due_after
-- What is due in a lane, from queue to queue behind a place, the longest due of each first.
SELECT q.id, d.message, d.position
FROM queue AS q
CROSS JOIN LATERAL (
  SELECT message, position, next_attempt_at FROM recipient
  WHERE recipient.queue = q.id
    AND next_attempt_at <= $6
    AND (message, position) NOT IN (
      SELECT held.message, held.position
      FROM unnest($7::bigint[], $8::integer[]) AS held (message, position)
    )
  ORDER BY next_attempt_at, message, position
  LIMIT $9
) AS d
WHERE q.owner = $1 AND q.lane = $2 AND (q.destination, q.route, q.source) > ($3, $4, $5)
ORDER BY q.destination, q.route, q.source, q.id, d.next_attempt_at, d.message, d.position
LIMIT $10;

-- name: due_until
-- The same up to that place.
SELECT q.id, d.message, d.position
FROM queue AS q
CROSS JOIN LATERAL (
  SELECT message, position, next_attempt_at FROM recipient
  WHERE recipient.queue = q.id
    AND next_attempt_at <= $6
    AND (message, position) NOT IN (
      SELECT held.message, held.position
      FROM unnest($7::bigint[], $8::integer[]) AS held (message, position)
    )
  ORDER BY next_attempt_at, message, position
  LIMIT $9
) AS d
WHERE q.owner = $1 AND q.lane = $2 AND (q.destination, q.route, q.source) <= ($3, $4, $5)
ORDER BY q.destination, q.route, q.source, q.id, d.next_attempt_at, d.message, d.position
LIMIT $10;

-- name: next_due_at
-- When something of a node is due next.
SELECT next_attempt_at FROM recipient JOIN queue ON queue.id = recipient.queue
WHERE next_attempt_at > $2 AND queue.owner = $1
ORDER BY next_attempt_at
LIMIT 1;

-- name: idle_queues
-- Queues of a node that no recipient refers to.
SELECT id FROM queue
WHERE owner = $1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.queue = queue.id)
LIMIT 10000;

-- name: drop_queues
-- Forget queues of a node.
DELETE FROM queue WHERE owner = $1 AND id = ANY($2::bigint[]);

-- name: messages
-- Messages by their ids.
SELECT
  id, accepted_at, sender_local, sender_domain, body_type, smtputf8, ret, envelope_id, size,
  checksum, header_size, has_8bit, has_long_lines, message_id_header, origin, identity,
  client, bounce_of
FROM message WHERE id = ANY($1::bigint[])
ORDER BY id;

-- name: recipients
-- All recipients of messages.
SELECT
  message, position, queue, state, attempts, crashes, next_attempt_at, last_reply,
  delay_notified, local_part, domain, notify, original
FROM recipient WHERE message = ANY($1::bigint[])
ORDER BY message, position;

-- name: queues
-- Queue keys by their numbers.
SELECT id, lane, destination, route, source FROM queue WHERE id = ANY($1::bigint[]);

-- name: body
-- What a body must be, and the body itself where it is small.
SELECT size, checksum, content FROM message LEFT JOIN body ON body.message = message.id
WHERE id = $1;

-- name: chunk
-- A part of a large body.
SELECT content FROM chunk WHERE message = $1 AND number = $2;

-- name: find
-- Messages with a recipient that meets every condition given.
SELECT id FROM message
WHERE id > $1
  AND ($2::text IS NULL OR lower(sender_local COLLATE "C") = $2)
  AND ($3::text IS NULL OR lower(sender_domain COLLATE "C") = $3)
  AND (NOT $4::boolean OR sender_local IS NULL)
  AND ($5::double precision IS NULL OR accepted_at < $5)
  AND ($6::double precision IS NULL OR accepted_at >= $6)
  AND ($7::text IS NULL OR message_id_header = $7)
  AND EXISTS (
    SELECT 1 FROM recipient
    WHERE recipient.message = message.id
      AND state = ANY($8::smallint[])
      AND ($9::text IS NULL OR lower(local_part COLLATE "C") = $9)
      AND (
        $10::text IS NULL
        OR queue IN (SELECT queue.id FROM queue WHERE destination = $10)
      )
      AND (
        $11::text IS NULL
        OR queue IN (SELECT queue.id FROM queue WHERE destination = $11)
      )
  )
ORDER BY id
LIMIT $12;

-- name: count
-- What of a node is not done, by destination and state: how many in all, how many younger
-- than each limit, the oldest.
SELECT
  queue.destination, state, count(*),
  count(*) FILTER (WHERE message >= ($2::bigint[])[1]),
  count(*) FILTER (WHERE message >= ($2::bigint[])[2]),
  count(*) FILTER (WHERE message >= ($2::bigint[])[3]),
  count(*) FILTER (WHERE message >= ($2::bigint[])[4]),
  count(*) FILTER (WHERE message >= ($2::bigint[])[5]),
  count(*) FILTER (WHERE message >= ($2::bigint[])[6]),
  count(*) FILTER (WHERE message >= ($2::bigint[])[7]),
  count(*) FILTER (WHERE message >= ($2::bigint[])[8]),
  count(*) FILTER (WHERE message >= ($2::bigint[])[9]),
  min(message)
FROM (
  SELECT queue, state, message FROM recipient WHERE next_attempt_at IS NOT NULL
  UNION ALL
  SELECT queue, state, message FROM recipient
  WHERE state IN (1, 3, 5) AND state <> 3 AND next_attempt_at IS NULL
) AS undone
JOIN queue ON queue.id = undone.queue
WHERE queue.owner = $1
GROUP BY queue.destination, state
ORDER BY queue.destination, state;

-- name: history
-- The parts of the journal that speak of a message.
SELECT entries FROM journal_message JOIN journal USING (day, number)
WHERE message = $1 AND day IN (SELECT DISTINCT day FROM journal)
ORDER BY day, number;

-- name: sweep_messages
-- Forget messages that have been done for long.
DELETE FROM message
WHERE id IN (
  SELECT id FROM message WHERE final_at < $1 ORDER BY final_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING id;

-- name: delete_recipients
-- Forget the recipients of messages.
DELETE FROM recipient WHERE message = ANY($1::bigint[]);

-- name: sweep_journal
-- Forget parts of the journal of days that are past.
DELETE FROM journal
WHERE (day, number) IN (
  SELECT day, number FROM journal WHERE day < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
);

-- name: sweep_journal_index
-- Forget which messages they spoke of.
DELETE FROM journal_message
WHERE (day, message, number) IN (
  SELECT day, message, number FROM journal_message WHERE day < $1 LIMIT $2
  FOR UPDATE SKIP LOCKED
);

-- name: recipients_without_message
-- Recipients whose message is missing.
SELECT message, position FROM recipient
WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.id = recipient.message);

-- name: recipients_without_queue
-- Recipients whose queue key is missing.
SELECT message, position FROM recipient
WHERE NOT EXISTS (SELECT 1 FROM queue WHERE queue.id = recipient.queue);

-- name: unknown_states
-- Recipients in a state that there is not, or queued without a time.
SELECT message, position FROM recipient
WHERE state NOT BETWEEN 0 AND 7 OR (state = 0 AND next_attempt_at IS NULL);

-- name: bodies
-- Messages that must have a body, and the body itself where it is small.
SELECT id, size, checksum, content FROM message LEFT JOIN body ON body.message = message.id
WHERE final_at IS NULL AND id > $1
ORDER BY id
LIMIT $2;

-- name: show_setting
-- A setting of the server.
SELECT current_setting($1);
