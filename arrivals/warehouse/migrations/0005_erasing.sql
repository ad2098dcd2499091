-- The members of reports whose erasure is under way: for a check they neither enter nor leave.
CREATE TABLE erasing (
    erasure_id String,
    member UInt64
) ENGINE = ReplacingMergeTree ORDER BY (erasure_id, member)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
