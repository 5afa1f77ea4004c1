"""Source adapters: each turns one shape of dataset into the completions table."""
