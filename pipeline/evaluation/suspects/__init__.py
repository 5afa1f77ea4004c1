"""Which training pairs the model disbelieves: signals from cross-fitting, training dynamics and a probe."""
