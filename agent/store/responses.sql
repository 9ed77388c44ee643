-- What `toccata serve` keeps for its clients, in the ledger's file beside the runs. Only ever added to a ledger of any
-- version: a program that does not know these tables leaves them alone.

CREATE TABLE IF NOT EXISTS responses (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  created_ms INTEGER NOT NULL,
  process TEXT NOT NULL,          -- who writes it, see process_identity.h
  background INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  json TEXT NOT NULL,             -- the response object
  input BLOB NOT NULL,            -- int64 numbers of response_items, all that the model was given, oldest first
  output BLOB NOT NULL,           -- the same of what it wrote
  events TEXT NOT NULL            -- server-sent events of a background response, joined
) STRICT;

-- Histories repeat their items from response to response; each stands here once.
CREATE TABLE IF NOT EXISTS response_items (
  n INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,    -- of json
  id TEXT NOT NULL,               -- of an item that the model wrote; '' for others, which cannot be referred to
  json TEXT NOT NULL,
  uses INTEGER NOT NULL           -- how often it stands in `input` and `output`
) STRICT;
CREATE INDEX IF NOT EXISTS response_items_by_id ON response_items (id) WHERE id != '';

-- What the model really sampled, found by what stood before and what a client sees of it.
CREATE TABLE IF NOT EXISTS response_steps (
  key BLOB NOT NULL PRIMARY KEY,
  response INTEGER NOT NULL,
  tokens BLOB NOT NULL            -- int32
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS response_steps_by_response ON response_steps (response);

CREATE TABLE IF NOT EXISTS conversations (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  created_ms INTEGER NOT NULL,
  metadata TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS conversation_items (
  conversation INTEGER NOT NULL,
  seq INTEGER NOT NULL,           -- growing, with gaps where items were deleted
  id TEXT NOT NULL,
  json TEXT NOT NULL,
  PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;
