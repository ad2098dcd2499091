-- What came in lately, in the order in which it came: the watcher asks it whose membership can have changed. Kept in
-- memory: it ends with the engine, and then every report is looked at in full once. "seq" never goes back while the engine
-- runs, whatever its clock does. "sort" is event, field, account or link; of a field "kind" and "name" are its group and
-- its name, of an account "visitor" is the account's key.
CREATE TABLE recent (
    seq UInt64,
    sort LowCardinality(String),
    kind LowCardinality(String),
    name LowCardinality(String),
    visitor UInt64
) ENGINE = Memory SETTINGS min_rows_to_keep = 2000000, max_rows_to_keep = 3000000;

-- One row for each time that the order above cannot be relied on any more: see arrivals/warehouse/recent.py.
CREATE TABLE epochs (
    id UUID
) ENGINE = Memory;

CREATE MATERIALIZED VIEW recent_of_events TO recent AS
SELECT generateSnowflakeID() AS seq, 'event' AS sort, kind, name, cityHash64(visitor_id) AS visitor FROM events;

CREATE MATERIALIZED VIEW recent_of_visitor_fields TO recent AS
SELECT generateSnowflakeID() AS seq, 'field' AS sort, grp AS kind, field AS name, cityHash64(visitor_id) AS visitor FROM visitor_fields;

CREATE MATERIALIZED VIEW recent_of_account_fields TO recent AS
SELECT generateSnowflakeID() AS seq, 'account' AS sort, grp AS kind, field AS name, cityHash64(account_id) AS visitor FROM account_fields;

CREATE MATERIALIZED VIEW recent_of_links TO recent AS
SELECT generateSnowflakeID() AS seq, 'link' AS sort, '' AS kind, '' AS name, arrayJoin([cityHash64(alias_id), cityHash64(visitor_id)]) AS visitor FROM links;

-- Whose events lie in a span of a few minutes, however far back. Part of the parts of events, so it is never behind them;
-- parts that are older than it are read as they are until the engine has added it to them, by and by.
ALTER TABLE events MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE events ADD PROJECTION IF NOT EXISTS by_time (SELECT visitor, ts, kind, name ORDER BY ts);

ALTER TABLE events MATERIALIZE PROJECTION by_time;
