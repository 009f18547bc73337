"""Shards: what is written of a unit, byte for byte."""
