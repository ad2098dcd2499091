"""What one aggregation may ask for, and how much it may answer."""

MOST_ROWS = 2_000_000
MOST_BYTES = 2_000_000_000
SECONDS = 300.0
AT_ONCE = 4  # aggregations of one process
SECONDS_OF_WAITING = 30.0  # for one of the others to end
MEMORY = 6_000_000_000  # bytes that a query may hold in the warehouse; sorting and grouping spill to disk long before

MOST_STAGES = 100  # of a body, with those of inner pipelines
DEEPEST_PIPELINE = 6
MOST_FIELDS = 300  # of one stage
MOST_PERIODS = 400  # of a time series with one result per period
LONGEST_EXPRESSION = 10_000  # characters
DEEPEST_EXPRESSION = 40
LONGEST_SQL = 200_000  # characters of the SQL that a body becomes

SETTINGS = (
    f"max_memory_usage = {MEMORY}, max_bytes_before_external_group_by = {MEMORY // 4}, "
    f"max_bytes_before_external_sort = {MEMORY // 4}, output_format_json_quote_64bit_integers = 0, least_greatest_legacy_null_behavior = 1"
)
