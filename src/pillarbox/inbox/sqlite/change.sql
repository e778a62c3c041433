-- Changing mail, and letting go of it.

-- name: mark
-- Mark as read or unread; those that were otherwise.
UPDATE mail SET is_read = ?1 WHERE id IN carray(?2) AND is_read <> ?1 RETURNING id;

-- name: take_tag_off
-- Take a tag off; from those that had it.
DELETE FROM mail_tag
WHERE tag = (SELECT number FROM tag WHERE folded = ?) AND mail IN carray(?)
RETURNING mail;

-- name: other_tags
-- Take all tags off but these; from those that had others.
DELETE FROM mail_tag WHERE mail IN carray(?) AND tag NOT IN carray(?) RETURNING mail;

-- name: mails_with_tag
-- Which mails carry a tag, removed ones included.
SELECT mail FROM mail_tag WHERE tag = ?;

-- name: count_listed_with_tag
-- How many mails of the list carry a tag.
SELECT count(*) FROM mail_tag JOIN mail ON mail.id = mail_tag.mail
WHERE mail_tag.tag = ? AND mail.removal = 0;

-- name: drop_tag_from_all
-- Take a tag off all mails.
DELETE FROM mail_tag WHERE tag = ?;

-- name: rename_tag
-- Write a tag with other capitals.
UPDATE tag SET name = ? WHERE number = ?;

-- name: put_tag
-- Put a tag on mails; on those that did not have it.
INSERT INTO mail_tag (mail, tag)
SELECT value, ? FROM carray(?)
WHERE value NOT IN (SELECT mail FROM mail_tag WHERE tag = ?)
RETURNING mail;

-- name: drop_idle_tags
-- Forget tags that no mail carries, a bounded number.
DELETE FROM tag WHERE number IN (
  SELECT number FROM tag
  WHERE NOT EXISTS (SELECT 1 FROM mail_tag WHERE mail_tag.tag = tag.number) LIMIT 1000
);

-- name: add_removal
-- What is removed together.
INSERT INTO removal (at, total, octets) VALUES (?, 0, 0) RETURNING number;

-- name: remove
-- Take mails off the list.
UPDATE mail SET removal = ? WHERE id IN carray(?) AND removal = 0 RETURNING size;

-- name: size_removal
-- How much was removed together.
UPDATE removal SET total = ?, octets = ? WHERE number = ?;

-- name: restore
-- Put mails back on the list.
UPDATE mail SET removal = 0 WHERE removal = ? RETURNING id;

-- name: drop_removal
-- It cannot be brought back any more.
DELETE FROM removal WHERE number = ?;

-- name: removals
-- What can be brought back, the newest first.
SELECT number, at, total, octets FROM removal ORDER BY number DESC;

-- name: give_up
-- Let what was removed go for good.
UPDATE mail SET removal = -1 WHERE removal = ?;

-- name: projects
-- How full each project is.
SELECT number, name, total, octets FROM project;

-- name: oldest
-- The oldest mails of the list, with their sizes.
SELECT id, size, at FROM mail WHERE removal = 0 ORDER BY id LIMIT ?;

-- name: oldest_in_project
-- The oldest mails of a project, with their sizes.
SELECT id, size, at FROM mail WHERE removal = 0 AND project = ? ORDER BY id LIMIT ?;

-- name: push_out
-- Let mails of the list go for good.
UPDATE mail SET removal = -1 WHERE id IN carray(?);

-- name: to_purge
-- Mails whose rows can be deleted.
SELECT id, size FROM mail WHERE removal = -1 LIMIT ?;

-- name: purge_content
-- Delete.
DELETE FROM content WHERE mail IN carray(?);

-- name: purge_chunk
-- Delete.
DELETE FROM chunk WHERE mail IN carray(?);

-- name: purge_summary
-- Delete.
DELETE FROM summary WHERE mail IN carray(?);

-- name: purge_field
-- Delete.
DELETE FROM field WHERE mail IN carray(?);

-- name: purge_tags
-- Delete.
DELETE FROM mail_tag WHERE mail IN carray(?);

-- name: purge_assessment
-- Delete.
DELETE FROM assessment WHERE mail IN carray(?);

-- name: purge_words
-- Delete what was indexed.
DELETE FROM words WHERE rowid IN (
  SELECT value FROM carray(?1) WHERE value NOT IN (SELECT mail FROM unindexed)
);

-- name: purge_unindexed
-- Delete.
DELETE FROM unindexed WHERE mail IN carray(?);

-- name: purge_mail
-- Delete.
DELETE FROM mail WHERE id IN carray(?);

-- name: trim_transcripts
-- Let sessions that brought no mail go, but for the last so many.
DELETE FROM transcript
WHERE mails = 0 AND number <= (SELECT max(number) FROM transcript) - ?;
