"""Shards: where they are, reading one whole, and what is in it. Nothing that a shard says is trusted."""
