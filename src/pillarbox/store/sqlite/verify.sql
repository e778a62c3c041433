-- name: integrity_check
-- Look at every page and every index.
PRAGMA integrity_check;

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

-- name: messages_without_body
-- Messages that are not done and have nothing to send.
SELECT id FROM message
WHERE final_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM body WHERE body.message = message.id)
  AND NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.message = message.id);

-- name: bodies
-- Small bodies, and what they must be.
SELECT id, size, checksum, content FROM body JOIN message ON message.id = body.message;

-- name: large_messages
-- Messages whose bodies are in chunks, and what these must be together.
SELECT id, size, checksum FROM message
WHERE EXISTS (SELECT 1 FROM chunk WHERE chunk.message = message.id);

-- name: chunks
-- The chunks of a body.
SELECT content FROM chunk WHERE message = ? ORDER BY number;
