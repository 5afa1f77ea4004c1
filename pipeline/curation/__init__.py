"""People's decisions on pairs, applied and replayed."""
