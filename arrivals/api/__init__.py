"""The APIs for programs; arrivals/ is served at /api/v2."""
