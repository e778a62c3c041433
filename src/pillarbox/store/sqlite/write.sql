-- name: count_tables
-- See whether there is anything in the file.
SELECT count(*) FROM sqlite_schema;

-- name: quick_check
-- Look for damage, up to the first that is found.
PRAGMA quick_check(1);

-- name: read_node
-- How a node was left.
SELECT epoch, is_clean FROM node WHERE name = ?;

-- name: unclean_nodes
-- How many nodes have not closed the file; a node may have been given another name since.
SELECT count(*) FROM node WHERE is_clean = 0;

-- name: begin_epoch
-- Open as a node, which fences out whoever was it before.
INSERT INTO node (name, epoch, is_clean) VALUES (?, 1, 0)
ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1, is_clean = 0
RETURNING epoch;

-- name: others_are_clean
-- Take note that the other names this file was opened under are of the past.
UPDATE node SET is_clean = 1 WHERE name <> ?;

-- name: check_epoch
-- Find out whether a write may still be done: one row, or the writer is fenced.
SELECT 1 FROM node WHERE name = ? AND epoch = ?;

-- name: close_node
-- Say that the node was stopped cleanly.
UPDATE node SET is_clean = 1 WHERE name = ? AND epoch = ?;

-- name: find_queue
-- The number of a queue key.
SELECT id FROM queue WHERE lane = ? AND destination = ? AND route = ? AND source = ?;

-- name: add_queue
-- Give a queue key a number.
INSERT INTO queue (lane, destination, route, source) VALUES (?, ?, ?, ?) RETURNING id;

-- name: keep_message
-- Keep messages.
INSERT INTO message (
  id, accepted_at, sender_local, sender_domain, body_type, smtputf8, ret, envelope_id, size,
  checksum, header_size, has_8bit, has_long_lines, message_id_header, origin, identity,
  client, bounce_of
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: keep_body
-- Keep the contents of messages.
INSERT INTO body (message, content) VALUES (?, ?);

-- name: keep_recipient
-- Keep the recipients of messages.
INSERT INTO recipient (
  message, position, queue, state, attempts, crashes, next_attempt_at, last_reply,
  delay_notified, local_part, domain, notify, original
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: count_chunks
-- See whether the chunks of a large body have come in.
SELECT count(*) FROM chunk WHERE message = ?;

-- name: write_chunk
-- Write a part of a large body.
INSERT INTO chunk (message, number, content) VALUES (?, ?, ?);

-- name: discard_chunks
-- Forget a large body.
DELETE FROM chunk WHERE message = ?;

-- name: orphan_chunks
-- Large bodies that no message was kept for.
SELECT DISTINCT message FROM chunk
WHERE message < ?
  AND NOT EXISTS (SELECT 1 FROM message WHERE message.id = chunk.message);

-- name: start_attempts
-- Mark attempts; what an operator has held or canceled meanwhile stays as it is.
UPDATE recipient
SET state = 1, attempts = attempts + 1, next_attempt_at = NULL
FROM (VALUES (?, ?)) AS mark
WHERE recipient.message = mark.column1
  AND recipient.position = mark.column2
  AND recipient.state IN (0, 3);

-- name: settle_recipients
-- Record results; a held or finished recipient takes nothing but an end.
UPDATE recipient
SET
  state = result.column3,
  attempts = result.column4,
  next_attempt_at = result.column5,
  last_reply = result.column6,
  delay_notified = result.column7
FROM (VALUES (?, ?, ?, ?, ?, ?, ?)) AS result
WHERE recipient.message = result.column1
  AND recipient.position = result.column2
  AND (recipient.state IN (0, 1, 3) OR result.column3 IN (2, 4, 6, 7));

-- name: recipient_exists
-- Find out whether there is something to settle.
SELECT 1 FROM recipient WHERE message = ? AND position = ?;

-- name: finish_messages
-- Note the time for messages whose recipients are all done.
UPDATE message SET final_at = ?
WHERE id IN carray(?)
  AND final_at IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM recipient
    WHERE recipient.message = message.id
      AND (state IN (0, 1, 5) OR (state = 3 AND next_attempt_at IS NOT NULL))
  );

-- name: drop_bodies
-- Delete the contents of messages whose recipients are all done.
DELETE FROM body
WHERE message IN (SELECT id FROM message WHERE id IN carray(?) AND final_at IS NOT NULL);

-- name: drop_chunks
-- Delete the large contents of messages whose recipients are all done.
DELETE FROM chunk
WHERE message IN (
  SELECT id FROM message WHERE id IN carray(?) AND final_at IS NOT NULL
);

-- name: recover
-- Queue again what was in flight when the process died.
UPDATE recipient SET state = 0, next_attempt_at = ?
WHERE state = 1
RETURNING message, position;

-- name: suspect_again
-- Leave a recipient as it was found, if nobody has tried or changed it.
UPDATE recipient SET state = 1, next_attempt_at = NULL
WHERE message = ? AND position = ? AND state = 0;

-- name: bring_near
-- Make some retries that are due later than a time due then, and some of what was accepted in
-- what is the future now.
UPDATE recipient SET next_attempt_at = ?
WHERE (message, position) IN (
  SELECT message, position FROM recipient
  WHERE next_attempt_at > ? AND (attempts > 0 OR message > ?)
  LIMIT ?
);

-- name: count_crash
-- Note that an attempt for a suspect is about to be risked.
UPDATE recipient SET crashes = crashes + 1
WHERE message = ? AND position = ?
RETURNING crashes;

-- name: change_recipient
-- Do what an operator wants, unless the recipient has moved on.
UPDATE recipient SET state = ?, crashes = ?, next_attempt_at = ?, queue = coalesce(?, queue)
WHERE message = ? AND position = ? AND state = ?;

-- name: next_journal_number
-- The number of a day's next part.
SELECT coalesce(max(number), 0) + 1 FROM journal WHERE day = ?;

-- name: write_journal
-- Write a part of the journal.
INSERT INTO journal (day, number, entries) VALUES (?, ?, ?);

-- name: index_journal
-- Note which messages a part of the journal speaks of.
INSERT INTO journal_message (day, message, number) VALUES (?, ?, ?);

-- name: drop_queues
-- Forget queues; never the last one, so that no number is given twice.
DELETE FROM queue WHERE id IN carray(?) AND id < (SELECT max(id) FROM queue);

-- name: sweep_messages
-- Messages that have been done for long.
SELECT id FROM message WHERE final_at < ? ORDER BY final_at LIMIT ?;

-- name: delete_recipients
-- Forget the recipients of messages.
DELETE FROM recipient WHERE message IN carray(?);

-- name: delete_messages
-- Forget messages.
DELETE FROM message WHERE id IN carray(?);

-- name: sweep_journal
-- Forget parts of the journal of days that are past.
DELETE FROM journal
WHERE (day, number) IN (SELECT day, number FROM journal WHERE day < ? LIMIT ?);

-- name: sweep_journal_index
-- Forget which messages they spoke of.
DELETE FROM journal_message
WHERE (day, message, number) IN (
  SELECT day, message, number FROM journal_message WHERE day < ? LIMIT ?
);
