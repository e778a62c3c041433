-- Keeping mail.

-- name: count_tables
-- How many tables and indexes there are: none in a file that was just made.
SELECT count(*) FROM sqlite_schema;

-- name: quick_check
-- Whether the file's structure is sound.
PRAGMA quick_check(1);

-- name: find_project
-- The number of a project.
SELECT number FROM project WHERE name = ?;

-- name: add_project
-- A project that had no mail before.
INSERT INTO project (name) VALUES (?) RETURNING number;

-- name: keep_mail
-- The short rows of new mails.
INSERT INTO mail
  (id, project, removal, is_read, at, size, checksum, attachments, inlines, tags, transcript)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: keep_summary
-- What lists show of new mails.
INSERT INTO summary (mail, facts) VALUES (?, ?);

-- name: keep_field
-- What single words of a query look at in new mails.
INSERT INTO field (mail, author, recipients, cc, bcc, reply_to, subject, message_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: keep_content
-- The octets of new mails.
INSERT INTO content (mail, octets) VALUES (?, ?);

-- name: keep_unindexed
-- New mails wait to be indexed.
INSERT INTO unindexed (mail) VALUES (?);

-- name: write_chunk
-- One part of a large content.
INSERT OR REPLACE INTO chunk (mail, number, octets) VALUES (?, ?, ?);

-- name: read_chunks
-- The parts of a large content.
SELECT octets FROM chunk WHERE mail = ? ORDER BY number;

-- name: discard_chunks
-- Forget the parts of what will not be kept.
DELETE FROM chunk WHERE mail = ?;

-- name: discard_orphans
-- Forget the parts of what was never kept, below an id.
DELETE FROM chunk
WHERE mail IN (
  SELECT DISTINCT c.mail FROM chunk AS c
  WHERE c.mail < ? AND NOT EXISTS (SELECT 1 FROM mail WHERE mail.id = c.mail)
);

-- name: find_tag
-- The number of a tag.
SELECT number FROM tag WHERE folded = ?;

-- name: add_tag
-- A tag that was not there before.
INSERT INTO tag (folded, name) VALUES (?, ?) RETURNING number;

-- name: put_tag
-- Put a tag on mails.
INSERT OR IGNORE INTO mail_tag (mail, tag) VALUES (?, ?);

-- name: index_words
-- The words of mails.
INSERT INTO words (rowid, subject, people, names, body) VALUES (?, ?, ?, ?, ?);

-- name: indexed
-- These mails are indexed now.
DELETE FROM unindexed WHERE mail IN carray(?);

-- name: unindexed
-- Mails that wait to be indexed.
SELECT mail FROM unindexed ORDER BY mail;

-- name: add_transcript
-- Sessions of which nothing may have been kept before.
INSERT INTO transcript (session, mails, octets) VALUES (?, ?, ?)
ON CONFLICT (session) DO NOTHING;

-- name: find_transcripts
-- The numbers of sessions.
SELECT session, number FROM transcript WHERE session IN carray(?);

-- name: write_transcript
-- What happened in a session, as far as it has gone.
INSERT INTO transcript (session, mails, octets) VALUES (?, ?, ?)
ON CONFLICT (session) DO UPDATE SET octets = excluded.octets;

-- name: keep_assessment
-- What was found in a mail that is still there.
INSERT OR REPLACE INTO assessment (mail, octets)
SELECT id, ? FROM mail WHERE id = ?;

-- name: put_setting
-- A small value.
INSERT OR REPLACE INTO setting (kind, name, value) VALUES (?, ?, ?);

-- name: drop_setting
-- Forget a small value.
DELETE FROM setting WHERE kind = ? AND name = ?;

-- name: put_record
-- What is known by now of something that happened.
INSERT INTO record (kind, name, octets) VALUES (?, ?, ?)
ON CONFLICT (kind, name) DO UPDATE SET octets = excluded.octets;

-- name: drop_record
-- Forget it.
DELETE FROM record WHERE kind = ? AND name = ?;
