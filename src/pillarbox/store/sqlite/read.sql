-- name: lanes
-- The lanes, each found by one look into the index.
WITH RECURSIVE lanes (lane) AS (
  SELECT min(lane) FROM queue
  UNION ALL
  SELECT (SELECT min(lane) FROM queue WHERE queue.lane > lanes.lane)
  FROM lanes
  WHERE lanes.lane IS NOT NULL
)
SELECT lane FROM lanes WHERE lane IS NOT NULL;

-- name: due
-- The longest due of all queues.
SELECT queue, message, position FROM recipient
WHERE next_attempt_at <= ?
ORDER BY next_attempt_at, message, position
LIMIT ?;

-- name: due_queues_after
-- The queues of a lane behind one of them, where something is due.
SELECT id, destination, route, source FROM queue
WHERE lane = ?
  AND (destination, route, source) > (?, ?, ?)
  AND EXISTS (
    SELECT 1 FROM recipient WHERE recipient.queue = queue.id AND next_attempt_at <= ?
  )
ORDER BY destination, route, source;

-- name: due_queues_until
-- The queues of a lane up to one of them, where something is due.
SELECT id, destination, route, source FROM queue
WHERE lane = ?
  AND (destination, route, source) <= (?, ?, ?)
  AND EXISTS (
    SELECT 1 FROM recipient WHERE recipient.queue = queue.id AND next_attempt_at <= ?
  )
ORDER BY destination, route, source;

-- name: due_in_queue
-- What is due in a queue, the longest due first.
SELECT message, position FROM recipient
WHERE queue = ? AND next_attempt_at <= ?
ORDER BY next_attempt_at, message, position;

-- name: next_due_at
-- When something is due next.
SELECT min(next_attempt_at) FROM recipient WHERE next_attempt_at > ?;

-- name: idle_queues
-- Queues that no recipient refers to; most are told by the index of what is due.
SELECT id FROM queue
WHERE NOT EXISTS (
    SELECT 1 FROM recipient
    WHERE recipient.queue = queue.id AND next_attempt_at IS NOT NULL
  )
  AND id NOT IN (SELECT queue FROM recipient WHERE next_attempt_at IS NULL)
LIMIT 10000;

-- name: messages
-- Messages by their ids.
SELECT
  id, accepted_at, sender_local, sender_domain, body_type, smtputf8, ret, envelope_id, size,
  checksum, header_size, has_8bit, has_long_lines, message_id_header, origin, identity,
  client, bounce_of
FROM message WHERE id IN carray(?)
ORDER BY id;

-- name: recipients
-- All recipients of messages.
SELECT
  message, position, queue, state, attempts, crashes, next_attempt_at, last_reply,
  delay_notified, local_part, domain, notify, original
FROM recipient WHERE message IN carray(?)
ORDER BY message, position;

-- name: queues
-- Queue keys by their numbers.
SELECT id, lane, destination, route, source FROM queue WHERE id IN carray(?);

-- name: body
-- What a body must be, and the body itself where it is small.
SELECT size, checksum, content FROM message LEFT JOIN body ON body.message = message.id
WHERE id = ?;

-- name: chunk
-- A part of a large body.
SELECT content FROM chunk WHERE message = ? AND number = ?;

-- name: find
-- Messages with a recipient that meets every condition given.
SELECT id FROM message
WHERE id > :after
  AND (:sender_local IS NULL OR lower(sender_local) = :sender_local)
  AND (:sender_domain IS NULL OR lower(sender_domain) = :sender_domain)
  AND (NOT :from_null OR sender_local IS NULL)
  AND (:before IS NULL OR accepted_at < :before)
  AND (:since IS NULL OR accepted_at >= :since)
  AND (:header IS NULL OR message_id_header = :header)
  AND EXISTS (
    SELECT 1 FROM recipient
    WHERE recipient.message = message.id
      AND 1 << state & :states
      AND (:local_part IS NULL OR lower(local_part) = :local_part)
      AND (
        :destination IS NULL
        OR queue IN (SELECT queue.id FROM queue WHERE destination = :destination)
      )
      AND (
        :domain IS NULL OR queue IN (SELECT queue.id FROM queue WHERE destination = :domain)
      )
  )
ORDER BY id
LIMIT :limit;

-- name: count_queued
-- What waits in each queue: how many in all, how many younger than each limit, the oldest.
SELECT
  (SELECT destination FROM queue WHERE queue.id = recipient.queue),
  count(*), sum(message >= ?), sum(message >= ?), sum(message >= ?), sum(message >= ?),
  sum(message >= ?), sum(message >= ?), sum(message >= ?), sum(message >= ?),
  sum(message >= ?), min(message)
FROM recipient
WHERE next_attempt_at IS NOT NULL
GROUP BY queue;

-- name: count_unsettled
-- What is in flight, uncertain or held, one row each.
SELECT destination, state, message, next_attempt_at IS NOT NULL
FROM recipient JOIN queue ON queue.id = recipient.queue
WHERE state IN (1, 3, 5);

-- name: journal_days
-- The days that the journal has.
WITH RECURSIVE days (day) AS (
  SELECT min(day) FROM journal
  UNION ALL
  SELECT (SELECT min(day) FROM journal WHERE journal.day > days.day)
  FROM days
  WHERE days.day IS NOT NULL
)
SELECT day FROM days WHERE day IS NOT NULL;

-- name: journal
-- The parts of a day's journal that speak of a message.
SELECT entries FROM journal_message JOIN journal USING (day, number)
WHERE day = ? AND message = ?
ORDER BY number;
