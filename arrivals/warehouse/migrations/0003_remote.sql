-- Rows of reports of a remote subscription. Each fetch has a partition of its own, which is dropped as a whole. A fetch
-- counts only when it stands in remote_fetches: what a crash left behind is in no answer.
CREATE TABLE remote_rows (
    report_id String,
    fetch UInt64,
    member UInt64 MATERIALIZED cityHash64(member_id),
    member_id String,
    row String
) ENGINE = MergeTree PARTITION BY (report_id, fetch) ORDER BY member_id
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- The newest complete fetch of a report. "fetch" grows: milliseconds since 1970 at its begin.
CREATE TABLE remote_fetches (
    report_id String,
    fetch UInt64,
    members UInt64,
    columns Array(String),
    at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(fetch) ORDER BY report_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The last row of those who left: their runs may come later.
CREATE TABLE remote_left (
    report_id String,
    member_id String,
    row String,
    fetch UInt64,
    at DateTime
) ENGINE = ReplacingMergeTree(fetch) ORDER BY (report_id, member_id) TTL at + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
