"""Chat templates, prompt masks and Arrow shards."""
