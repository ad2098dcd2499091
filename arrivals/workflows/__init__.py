"""Definitions as data, validation, drafts and versions, activation."""
