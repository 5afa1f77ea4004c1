"""From scored completions to clean, split preference pairs."""
