"""srlm: what is measured, and where seed data comes from."""
