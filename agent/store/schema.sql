-- The ledger, version 7. One row in `runs` per run; every other table is clustered by run (those of every step: see log.sql)
-- and only ever appended to, except where a column says it is filled in later. Times are milliseconds since 1970.
--
-- Texts and token segments of kBlobBytes and more stand in `blobs`, once, however many rows and forks use them: the
-- column itself is then empty and the one called *_blob names the blob.

CREATE TABLE runs (
  n INTEGER PRIMARY KEY,          -- what the other tables call `run`
  id TEXT NOT NULL UNIQUE,        -- sortable by time, see run_id.h
  created_ms INTEGER NOT NULL,
  task TEXT NOT NULL,             -- the first user message
  model TEXT NOT NULL,
  params TEXT NOT NULL,           -- JSON object
  sandbox TEXT NOT NULL,          -- level of protection reached
  process TEXT NOT NULL,          -- who writes it, see process_identity.h; tells running from interrupted
  finished_ms INTEGER,            -- this and all below are filled in when the run ends
  exit_code INTEGER,
  terminal_reason TEXT NOT NULL DEFAULT '',
  message TEXT NOT NULL DEFAULT '',
  final TEXT NOT NULL DEFAULT '',
  usage TEXT NOT NULL DEFAULT '{}',
  parent TEXT NOT NULL DEFAULT '',       -- id of the run this one was forked from
  parent_step INTEGER NOT NULL DEFAULT 0, -- the last step it shares with it
  caller TEXT NOT NULL DEFAULT '',          -- id of the run that made this one for itself: a sub-agent, a candidate
  caller_call INTEGER NOT NULL DEFAULT 0,   -- its call that did so; 0: none
  caller_part INTEGER NOT NULL DEFAULT 0    -- 1, 2, ...: which of those that one call, or none, made
) STRICT;
CREATE UNIQUE INDEX runs_made_by ON runs (caller, caller_call, caller_part) WHERE caller <> '';

CREATE TABLE blobs (
  n INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,
  bytes BLOB NOT NULL             -- UTF-8 or int32 tokens, as the column says that refers to it
) STRICT;

CREATE TABLE pieces (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,           -- of the message
  piece INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (run, seq, piece)
) STRICT, WITHOUT ROWID;

-- Files of the session's /mnt/data as calls left them: of a path the row of the last call counts.
CREATE TABLE files (
  run INTEGER NOT NULL,
  call INTEGER NOT NULL,
  path TEXT NOT NULL,             -- relative to /mnt/data
  size INTEGER,                   -- NULL: gone, or too large to be kept
  bytes BLOB NOT NULL,
  bytes_blob INTEGER,
  PRIMARY KEY (run, call, path)
) STRICT, WITHOUT ROWID;

-- Facts that stand nowhere else: parser warnings, nudges, approvals, limits.
CREATE TABLE notes (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  step INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;
