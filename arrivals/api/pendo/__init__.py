"""Pendo's REST API, served at /api/v1, so that clients written for it work with only their host changed."""
