"""Placing: which shard each sample stands in, so that samples with the same finding meet."""
