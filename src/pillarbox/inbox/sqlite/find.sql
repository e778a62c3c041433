-- Looking at mail. Conditions and orders are put together by ``conditions``.

-- name: page
-- Which mails a part of a list has.
SELECT mail.id FROM {source} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?;

-- name: rows
-- What is shown of mails, in no order.
SELECT mail.id, mail.is_read, mail.tags, summary.facts
FROM mail JOIN summary ON summary.mail = mail.id
WHERE mail.id IN carray(?);

-- name: one
-- One mail of the list.
SELECT mail.id, mail.is_read, mail.tags, summary.facts
FROM mail JOIN summary ON summary.mail = mail.id
WHERE mail.id = ? AND mail.removal = 0;

-- name: count_page
-- How many match, and how many of them are unread.
SELECT count(*), coalesce(sum(1 - mail.is_read), 0) FROM {source} WHERE {where};

-- name: select_ids
-- Which mails match.
SELECT mail.id FROM {source} WHERE {where} ORDER BY mail.id;

-- name: from_mail
-- Where a list comes from as a rule.
mail;

-- name: from_words
-- Where a list comes from when words are looked for.
words CROSS JOIN mail ON mail.id = words.rowid;

-- name: join_field
-- Added when header fields are looked at.
CROSS JOIN field ON field.mail = mail.id;

-- name: is_listed
-- Was not removed.
mail.removal = 0;

-- name: in_project
-- Is of a project.
mail.project = (SELECT number FROM project WHERE name = ?);

-- name: is_one_of
-- Is one of those named.
mail.id IN carray(?);

-- name: behind_newest
-- Is behind another in the order of lists.
mail.id < ?;

-- name: behind_oldest
-- Is behind another, the oldest first.
mail.id > ?;

-- name: behind_largest
-- Is behind another, the largest first.
(mail.size, mail.id) < (SELECT other.size, other.id FROM mail AS other WHERE other.id = ?);

-- name: behind_smallest
-- Is behind another, the smallest first.
(mail.size, -mail.id) > (SELECT other.size, -other.id FROM mail AS other WHERE other.id = ?);

-- name: has_words
-- Has these words; the full-text index is the source.
words MATCH ?;

-- name: lacks_words
-- Does not have these words.
mail.id NOT IN (SELECT rowid FROM words WHERE words MATCH ?);

-- name: author
-- From.
instr(field.author, ?);

-- name: recipients
-- To.
instr(field.recipients, ?);

-- name: cc
-- Cc.
instr(field.cc, ?);

-- name: bcc
-- Whom no field names.
instr(field.bcc, ?);

-- name: reply_to
-- Reply-To.
instr(field.reply_to, ?);

-- name: addressed
-- Any field with people.
(instr(field.author, ?) OR instr(field.recipients, ?) OR instr(field.cc, ?)
  OR instr(field.bcc, ?) OR instr(field.reply_to, ?));

-- name: subject
-- Subject.
instr(field.subject, ?);

-- name: message_id
-- Message-ID.
instr(field.message_id, ?);

-- name: tag
-- Carries a tag.
mail.id IN (SELECT mail_tag.mail FROM mail_tag JOIN tag ON tag.number = mail_tag.tag WHERE tag.folded = ?);

-- name: is_read
-- Was looked at.
mail.is_read;

-- name: is_tagged
-- Carries any tag.
mail.tags > 0;

-- name: has_attachment
-- Has an attachment.
mail.attachments > 0;

-- name: has_inline
-- Has an inline part.
mail.inlines > 0;

-- name: before
-- Was caught before a time.
mail.at < ?;

-- name: after
-- Was caught at a time or later.
mail.at >= ?;

-- name: larger
-- Has more octets.
mail.size > ?;

-- name: smaller
-- Has fewer octets.
mail.size < ?;

-- name: id
-- Is a certain one.
mail.id = ?;

-- name: newest
-- The order of lists.
mail.id DESC;

-- name: newest_words
-- The same, as the full-text index gives it by itself.
words.rowid DESC;

-- name: oldest
-- The other way round.
mail.id;

-- name: oldest_words
-- The same, as the full-text index gives it by itself.
words.rowid;

-- name: largest
-- The largest first.
mail.size DESC, mail.id DESC;

-- name: smallest
-- The smallest first.
mail.size, mail.id DESC;

-- name: tags_of
-- The tags of mails.
SELECT mail_tag.mail, tag.name
FROM mail_tag JOIN tag ON tag.number = mail_tag.tag
WHERE mail_tag.mail IN carray(?)
ORDER BY tag.folded;

-- name: check
-- What the octets of a mail of the list must be like.
SELECT size, checksum FROM mail WHERE id = ? AND removal = 0;

-- name: content
-- The octets of a mail that came in one.
SELECT octets FROM content WHERE mail = ?;

-- name: facts
-- What lists show of a mail.
SELECT facts FROM summary WHERE mail = ?;

-- name: tags
-- The tags in use in all projects.
SELECT tag.name, count(*)
FROM mail JOIN mail_tag ON mail_tag.mail = mail.id JOIN tag ON tag.number = mail_tag.tag
WHERE mail.removal = 0
GROUP BY tag.number ORDER BY tag.folded;

-- name: tags_in_project
-- The tags in use in a project.
SELECT tag.name, count(*)
FROM mail JOIN mail_tag ON mail_tag.mail = mail.id JOIN tag ON tag.number = mail_tag.tag
WHERE mail.removal = 0 AND mail.project = (SELECT number FROM project WHERE name = ?)
GROUP BY tag.number ORDER BY tag.folded;

-- name: counts
-- How full all of it is.
SELECT coalesce(sum(total), 0), coalesce(sum(unread), 0), coalesce(sum(octets), 0),
  (SELECT at FROM mail WHERE removal = 0 ORDER BY id LIMIT 1)
FROM project;

-- name: counts_in_project
-- How full a project is.
SELECT total, unread, octets,
  (SELECT at FROM mail WHERE removal = 0 AND mail.project = project.number ORDER BY id LIMIT 1)
FROM project WHERE name = ?;

-- name: transcript
-- An SMTP session.
SELECT octets FROM transcript WHERE session = ?;

-- name: assessment
-- What was found in a mail of the list.
SELECT assessment.octets FROM assessment JOIN mail ON mail.id = assessment.mail
WHERE mail.id = ? AND mail.removal = 0;

-- name: settings
-- Small values of a kind.
SELECT name, value FROM setting WHERE kind = ?;

-- name: records
-- What is known of a kind of things that happened, in the order in which they began.
SELECT name, octets FROM record WHERE kind = ? ORDER BY number;
