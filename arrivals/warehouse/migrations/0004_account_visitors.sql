-- Which visitors named which accounts in their events, and when first and last. Filled as visitors is: by the view with
-- each insert of events, and at the next start with what a crash left out. Repeating an insert changes nothing.
CREATE TABLE account_visitors (
    account UInt64,
    account_id SimpleAggregateFunction(any, String),
    visitor UInt64,
    first SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree ORDER BY (account, visitor)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW account_visitors_of_events TO account_visitors AS
SELECT cityHash64(account_id) AS account, account_id, cityHash64(visitor_id) AS visitor, min(ts) AS first, max(ts) AS last
FROM events WHERE account_id != '' GROUP BY account_id, visitor_id;

-- The events that were there before.
INSERT INTO account_visitors (account, account_id, visitor, first, last)
SELECT cityHash64(account_id), account_id, visitor, min(ts), max(ts) FROM events WHERE account_id != '' GROUP BY account_id, visitor;
