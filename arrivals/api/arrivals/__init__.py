"""Our own API, served at /api/v2."""
