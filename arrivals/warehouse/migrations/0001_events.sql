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
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Every visitor that has sent anything, with the id behind the hash. Written before the events it tells of.
CREATE TABLE visitors (
    visitor UInt64 DEFAULT cityHash64(visitor_id),
    visitor_id SimpleAggregateFunction(any, String),
    first SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree ORDER BY visitor
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

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
