-- One row for each event. Unique by (room, session, entry_id): a room's entry ids only grow, so a row is
-- written where its id is past the room's position, in the transaction that moves the position. An index for
-- the same would cost more memory than all the rest. (room, session, seq) is unique too, but for records
-- that forked in a failover.
CREATE TABLE events (
  room           VARCHAR NOT NULL,
  session        VARCHAR NOT NULL,
  entry_id       VARCHAR NOT NULL,
  entry_ms       BIGINT  NOT NULL,
  entry_n        BIGINT  NOT NULL,
  seq            BIGINT  NOT NULL,
  prev           VARCHAR NOT NULL,
  kind           VARCHAR NOT NULL,
  type           VARCHAR NOT NULL,
  source         VARCHAR NOT NULL,
  at_ms          BIGINT  NOT NULL,
  occurred_ms    BIGINT  NOT NULL,
  v              BIGINT  NOT NULL,
  token          BIGINT,
  late           BOOLEAN NOT NULL,
  traceparent    VARCHAR,
  participant    VARCHAR,
  other          VARCHAR,
  spoken         BOOLEAN NOT NULL,
  forgotten      BOOLEAN NOT NULL,
  data           JSON    NOT NULL,
  unknown_fields JSON
);

-- The last entry of each room that is in `events` or `quarantine`.
CREATE TABLE positions (
  room     VARCHAR PRIMARY KEY,
  entry_id VARCHAR NOT NULL
);

-- Entries that break the schema, as they came.
CREATE TABLE quarantine (
  room     VARCHAR NOT NULL,
  entry_id VARCHAR NOT NULL,
  reason   VARCHAR NOT NULL,
  fields   VARCHAR NOT NULL
);
