"""What an epoch holds: who is mixed with whom, which rank and batch gets what, and batches made of it."""
