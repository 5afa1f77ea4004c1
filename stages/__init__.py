"""One thin script per DVC stage: parse params, call one function, write outs."""
