"""The ORPO objective, forward pass, model and loop."""
