"""The contract of an app, one folder per app, connections, and the guarded way out."""
