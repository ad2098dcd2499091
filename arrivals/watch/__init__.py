"""Looks at reports: the membership ledger, arrivals and departures."""
