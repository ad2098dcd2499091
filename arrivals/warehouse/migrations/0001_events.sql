-- Events, one row each. "visitor" is the hash of the id they came with: an anonymous id stays, links say whose it is.
-- fsync_*: an insert that returned is on disk; the collector answers 2xx only then.
CREATE TABLE events (
    source_id LowCardinality(String),
    message_hash UInt64,
    message_id String,
    kind LowCardinality(String),
    name LowCardinality(String),
    visitor_id String,
    visitor UInt64 MATERIALIZED cityHash64(visitor_id),
    account_id String,
    ts DateTime64(3, 'UTC'),
    received_at DateTime64(3, 'UTC'),
    url String,
    properties String
) ENGINE = MergeTree PARTITION BY toYYYYMM(ts) ORDER BY (visitor, ts)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Every visitor that has sent anything, with the id behind the hash. Filled by the view below with each insert of events;
-- what a crash in the middle of an insert left out is added at the next start.
CREATE TABLE visitors (
    visitor UInt64 DEFAULT cityHash64(visitor_id),
    visitor_id SimpleAggregateFunction(any, String),
    first SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree ORDER BY visitor
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW visitors_of_events TO visitors AS
SELECT cityHash64(visitor_id) AS visitor, visitor_id, min(ts) AS first, max(ts) AS last FROM events GROUP BY visitor_id;

-- Metadata, one row per value: the newest "at" wins. A value is text; "type" says what it was
-- (string, number, boolean, date, json). NULL means that the field was unset.
CREATE TABLE visitor_fields (
    grp LowCardinality(String),
    field LowCardinality(String),
    visitor UInt64 MATERIALIZED cityHash64(visitor_id),
    visitor_id String,
    value Nullable(String),
    type LowCardinality(String),
    at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(at) ORDER BY (grp, field, visitor)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE account_fields (
    grp LowCardinality(String),
    field LowCardinality(String),
    account_id String,
    value Nullable(String),
    type LowCardinality(String),
    at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(at) ORDER BY (grp, field, account_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Anonymous or former id -> visitor. Always flat: "visitor" is never itself the alias of another row.
-- "rank" is the order in which the writer made the links; the highest wins.
CREATE TABLE links (
    alias UInt64 MATERIALIZED cityHash64(alias_id),
    alias_id String,
    visitor UInt64 MATERIALIZED cityHash64(visitor_id),
    visitor_id String,
    rank UInt64
) ENGINE = ReplacingMergeTree(rank) ORDER BY alias
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
