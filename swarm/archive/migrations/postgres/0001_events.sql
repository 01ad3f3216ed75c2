-- One row for each event, unique by (room, session, entry_id). seq is not: records that forked in a failover
-- have it twice.
CREATE TABLE events (
  room           text    NOT NULL,
  session        text    NOT NULL,
  entry_id       text    NOT NULL,
  entry_ms       bigint  NOT NULL,
  entry_n        bigint  NOT NULL,
  seq            bigint  NOT NULL,
  prev           text    NOT NULL,
  kind           text    NOT NULL,
  type           text    NOT NULL,
  source         text    NOT NULL,
  at_ms          bigint  NOT NULL,
  occurred_ms    bigint  NOT NULL,
  v              bigint  NOT NULL,
  token          bigint,
  late           boolean NOT NULL,
  traceparent    text,
  participant    text,
  other          text,
  spoken         boolean NOT NULL,
  forgotten      boolean NOT NULL,
  data           json    NOT NULL,
  unknown_fields json,
  PRIMARY KEY (room, session, entry_id)
);
CREATE INDEX events_by_seq ON events (room, session, seq);
CREATE INDEX events_by_time ON events (entry_ms);

-- The last entry of each room that is in events or quarantine.
CREATE TABLE positions (
  room     text PRIMARY KEY,
  entry_id text NOT NULL
);

-- Entries that break the schema, as they came.
CREATE TABLE quarantine (
  room     text NOT NULL,
  entry_id text NOT NULL,
  reason   text NOT NULL,
  fields   text NOT NULL,
  PRIMARY KEY (room, entry_id)
);
