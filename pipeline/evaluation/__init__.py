"""Base against trained on held-out pairs and prompts."""
