"""Published benchmarks: a model's answers to their prompts, and the scores they are published with."""
