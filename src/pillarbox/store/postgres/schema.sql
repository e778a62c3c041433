-- The schema as it is today: what all migrations add up to. For readers, and for a test.

-- The nodes that share this database. A write is only done in the newest epoch of its node.
CREATE TABLE node (
  name text PRIMARY KEY,
  epoch bigint NOT NULL,
  is_clean boolean NOT NULL,  -- false while it runs, and after an unclean stop
  heartbeat double precision NOT NULL  -- wall clock, seconds
);

-- The queue keys that recipients refer to by number, and the node that delivers them.
-- A node that adopts another's queues may have two rows for one key.
CREATE TABLE queue (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner text NOT NULL,
  lane text NOT NULL,
  destination text NOT NULL,
  route text NOT NULL,
  source text NOT NULL
);

CREATE INDEX queue_key ON queue (owner, lane, destination, route, source);
CREATE INDEX queue_destination ON queue (destination);

-- One row a message; its id grows with the time at which it was accepted.
CREATE TABLE message (
  id bigint PRIMARY KEY,
  accepted_at double precision NOT NULL,
  sender_local text,  -- NULL, like the domain, for the null reverse-path
  sender_domain text,
  body_type text NOT NULL,
  smtputf8 boolean NOT NULL,
  ret text,
  envelope_id text,
  size bigint NOT NULL,
  checksum bigint NOT NULL,  -- CRC-32 of the content
  header_size bigint NOT NULL,
  has_8bit boolean NOT NULL,
  has_long_lines boolean NOT NULL,
  message_id_header text NOT NULL,
  origin text NOT NULL,
  identity text NOT NULL,
  client text NOT NULL,
  bounce_of bigint,
  final_at double precision  -- when its last recipient was done, and its body went
);

CREATE INDEX message_final ON message (final_at) WHERE final_at IS NOT NULL;

-- Contents of up to 64 KiB.
CREATE TABLE body (
  message bigint PRIMARY KEY,
  content bytea NOT NULL
);

-- Contents of more, written while they arrive; orphans until their message is kept.
CREATE TABLE chunk (
  message bigint NOT NULL,
  number integer NOT NULL,
  owner text NOT NULL,  -- the node that is receiving it
  content bytea NOT NULL,
  PRIMARY KEY (message, number)
);

-- One row a recipient; the numbers of the states are those of RecipientState.
CREATE TABLE recipient (
  message bigint NOT NULL,
  position integer NOT NULL,
  queue bigint NOT NULL,
  state smallint NOT NULL,
  attempts integer NOT NULL,
  crashes integer NOT NULL,
  next_attempt_at double precision,
  last_reply text NOT NULL,
  delay_notified boolean NOT NULL,
  local_part text NOT NULL,
  domain text NOT NULL,
  notify smallint,
  original text,
  PRIMARY KEY (message, position)
);

-- What will be due, by queue (to load fairly) and by time (to know when to wake up).
CREATE INDEX recipient_due ON recipient (queue, next_attempt_at)
WHERE next_attempt_at IS NOT NULL;
CREATE INDEX recipient_time ON recipient (next_attempt_at)
WHERE next_attempt_at IS NOT NULL;

-- What is in flight (1), uncertain (3) or held (5): few, and asked for at each start.
CREATE INDEX recipient_unsettled ON recipient (state) WHERE state IN (1, 3, 5);

-- Events and conversations: compressed parts, and which message is in which.
CREATE TABLE journal (
  day integer NOT NULL,  -- since 1970-01-01
  number bigint GENERATED ALWAYS AS IDENTITY,
  entries bytea NOT NULL,
  PRIMARY KEY (day, number)
);

CREATE TABLE journal_message (
  day integer NOT NULL,
  message bigint NOT NULL,
  number bigint NOT NULL,
  PRIMARY KEY (day, message, number)
);

-- No time is spent on trying to compress contents.
ALTER TABLE body ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE chunk ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE journal ALTER COLUMN entries SET STORAGE EXTERNAL;

-- Who may log in; what is kept of their secrets can be used by nobody to do so.
CREATE TABLE credential (
  name text PRIMARY KEY,
  kind text NOT NULL,  -- a value of CredentialKind
  account text NOT NULL,
  project text NOT NULL,
  is_sandbox boolean NOT NULL,
  scopes text NOT NULL,   -- JSON, as the senders: a list of texts
  senders text NOT NULL,
  created_at double precision NOT NULL,
  created_by text NOT NULL,
  expires_at double precision,
  revoked_at double precision,
  revoked_by text NOT NULL,
  generation bigint NOT NULL
);

CREATE INDEX credential_changed ON credential (generation);

-- One row a secret: the valid ones, the newest first, and the last former ones.
CREATE TABLE credential_secret (
  credential text NOT NULL,
  position integer NOT NULL,
  prefix text NOT NULL,
  verifier text NOT NULL,
  scram text NOT NULL,
  sealed bytea NOT NULL,
  created_at double precision NOT NULL,
  created_by text NOT NULL,
  ends_at double precision,
  ended_by text NOT NULL,
  is_former boolean NOT NULL,
  PRIMARY KEY (credential, position)
);

CREATE TABLE credential_use (
  name text PRIMARY KEY,
  at double precision NOT NULL,
  client text NOT NULL
);

-- One row: how many times a credential was saved.
CREATE TABLE credential_generation (
  number bigint NOT NULL
);

INSERT INTO credential_generation (number) VALUES (0);

-- Small values of several parts of a node: fetched policies, counts, who was seen before.
CREATE TABLE note (
  kind text NOT NULL,
  key text NOT NULL,
  value bytea NOT NULL,
  amount bigint NOT NULL,
  expires_at double precision NOT NULL,
  PRIMARY KEY (kind, key)
);

CREATE INDEX note_expires ON note (expires_at);
