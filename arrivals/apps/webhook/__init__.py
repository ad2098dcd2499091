"""Calls to an address of your own."""
