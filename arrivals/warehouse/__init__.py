"""The event store: client, migrations, and one module of named queries per noun."""
