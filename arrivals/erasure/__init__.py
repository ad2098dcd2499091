"""Erasure: what is older than it may be kept, deleted each night; and everything that is kept of a visitor or an account, deleted on request. The law calls it a right."""
