"""Erasure: everything that is kept of a visitor or an account, deleted on request. The law calls it a right."""
