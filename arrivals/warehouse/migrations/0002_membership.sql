-- The ledger. Version 2n-1: entered for the nth time; 2n: left again. An odd version is on the report.
CREATE TABLE memberships (
    report_id LowCardinality(String),
    member UInt64,
    member_id String,
    version UInt32,
    at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(version) ORDER BY (report_id, member)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Those whom an activation will run for, chosen at its moment.
CREATE TABLE activation_members (
    activation_id String,
    member UInt64,
    member_id String,
    entry UInt32
) ENGINE = ReplacingMergeTree ORDER BY (activation_id, member)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Uploaded lists of visitor ids. Only rows of the list's present version count.
CREATE TABLE list_members (
    list_id String,
    version UInt32,
    visitor UInt64 MATERIALIZED cityHash64(visitor_id),
    visitor_id String
) ENGINE = ReplacingMergeTree ORDER BY (list_id, version, visitor)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
