"""Charts: a question about events as data, its numbers, and the people behind each number."""
