-- The schema as it is today: what all migrations add up to. For readers, and for a test.

-- Projects that ever had mail, with what is listed in them; the triggers below keep count.
CREATE TABLE project (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  total INTEGER NOT NULL DEFAULT 0,
  unread INTEGER NOT NULL DEFAULT 0,
  octets INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One short row a mail: all that is counted and compared. Its id grows with time.
CREATE TABLE mail (
  id INTEGER PRIMARY KEY,
  project INTEGER NOT NULL,
  removal INTEGER NOT NULL,  -- 0: listed; above: the removal to bring it back by; -1: to be purged
  is_read INTEGER NOT NULL,
  at REAL NOT NULL,
  size INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  attachments INTEGER NOT NULL,
  inlines INTEGER NOT NULL,
  tags INTEGER NOT NULL,  -- how many
  transcript INTEGER  -- of the session that brought it
) STRICT;

CREATE INDEX mail_listed ON mail (removal);
CREATE INDEX mail_in_project ON mail (removal, project);

-- What a list shows, as MessagePack.
CREATE TABLE summary (
  mail INTEGER PRIMARY KEY,
  facts BLOB NOT NULL
) STRICT;

-- What single words of a query look at, folded as ``search.folding`` does.
CREATE TABLE field (
  mail INTEGER PRIMARY KEY,
  author TEXT NOT NULL,
  recipients TEXT NOT NULL,
  cc TEXT NOT NULL,
  bcc TEXT NOT NULL,
  reply_to TEXT NOT NULL,
  subject TEXT NOT NULL,
  message_id TEXT NOT NULL
) STRICT;

CREATE TABLE content (
  mail INTEGER PRIMARY KEY,
  octets BLOB NOT NULL
) STRICT;

-- Contents that came in parts. They may be here before their mail is, or without it.
CREATE TABLE chunk (
  mail INTEGER NOT NULL,
  number INTEGER NOT NULL,
  octets BLOB NOT NULL,
  PRIMARY KEY (mail, number)
) STRICT, WITHOUT ROWID;

-- The words of every mail but those in ``unindexed``. Words are cut at what is ASCII and no
-- letter or digit; ``search.folding`` has made everything else fit that.
CREATE VIRTUAL TABLE words USING fts5 (
  subject, people, names, body,
  content = '', contentless_delete = 1, tokenize = 'ascii'
);
INSERT INTO words (words, rank) VALUES ('hashsize', 16777216);
INSERT INTO words (words, rank) VALUES ('automerge', 8);
INSERT INTO words (words, rank) VALUES ('deletemerge', 50);

CREATE TABLE unindexed (
  mail INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE tag (
  number INTEGER PRIMARY KEY,
  folded TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL  -- as it was first written
) STRICT;

CREATE TABLE mail_tag (
  mail INTEGER NOT NULL,
  tag INTEGER NOT NULL,
  PRIMARY KEY (mail, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX mail_tag_by_tag ON mail_tag (tag, mail);

CREATE TRIGGER mail_tag_added AFTER INSERT ON mail_tag BEGIN
  UPDATE mail SET tags = tags + 1 WHERE id = NEW.mail;
END;

CREATE TRIGGER mail_tag_taken_off AFTER DELETE ON mail_tag BEGIN
  UPDATE mail SET tags = tags - 1 WHERE id = OLD.mail;
END;

-- What was removed together, and comes back together.
CREATE TABLE removal (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL,
  total INTEGER NOT NULL,
  octets INTEGER NOT NULL
) STRICT;

-- SMTP sessions, as JSON. One goes with the last of its mails.
CREATE TABLE transcript (
  number INTEGER PRIMARY KEY,
  session TEXT NOT NULL UNIQUE,
  mails INTEGER NOT NULL,
  octets BLOB NOT NULL  -- empty until it has been written
) STRICT;

CREATE INDEX transcript_without_mail ON transcript (number) WHERE mails = 0;

CREATE TRIGGER mail_of_session_kept AFTER INSERT ON mail WHEN NEW.transcript IS NOT NULL BEGIN
  UPDATE transcript SET mails = mails + 1 WHERE number = NEW.transcript;
END;

CREATE TRIGGER mail_of_session_purged AFTER DELETE ON mail WHEN OLD.transcript IS NOT NULL BEGIN
  UPDATE transcript SET mails = mails - 1 WHERE number = OLD.transcript;
  DELETE FROM transcript WHERE number = OLD.transcript AND mails = 0;
END;

CREATE TABLE assessment (
  mail INTEGER PRIMARY KEY,
  octets BLOB NOT NULL
) STRICT;

CREATE TABLE setting (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- What happened around the mail and has to survive a restart: calls of webhooks, counts of rules.
CREATE TABLE record (
  number INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  octets BLOB NOT NULL,
  UNIQUE (kind, name)
) STRICT;

CREATE TRIGGER mail_kept AFTER INSERT ON mail WHEN NEW.removal = 0 BEGIN
  UPDATE project
  SET total = total + 1, unread = unread + 1 - NEW.is_read, octets = octets + NEW.size
  WHERE number = NEW.project;
END;

CREATE TRIGGER mail_marked AFTER UPDATE OF is_read ON mail
WHEN NEW.removal = 0 AND OLD.is_read <> NEW.is_read BEGIN
  UPDATE project SET unread = unread + OLD.is_read - NEW.is_read WHERE number = NEW.project;
END;

CREATE TRIGGER mail_removed AFTER UPDATE OF removal ON mail
WHEN OLD.removal = 0 AND NEW.removal <> 0 BEGIN
  UPDATE project
  SET total = total - 1, unread = unread - 1 + OLD.is_read, octets = octets - OLD.size
  WHERE number = OLD.project;
END;

CREATE TRIGGER mail_restored AFTER UPDATE OF removal ON mail
WHEN OLD.removal <> 0 AND NEW.removal = 0 BEGIN
  UPDATE project
  SET total = total + 1, unread = unread + 1 - NEW.is_read, octets = octets + NEW.size
  WHERE number = NEW.project;
END;
