"""srlm: inference."""
