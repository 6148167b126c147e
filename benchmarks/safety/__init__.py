"""srlm: does a model refuse what it should, answer what it may, and judge both rightly."""
