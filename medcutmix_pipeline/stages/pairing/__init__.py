"""Pairing: who lends a sentence to whom within a shard, and the mixed reports that come of it."""
