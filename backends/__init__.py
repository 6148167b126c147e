"""srlm: what runs models, engines for inference and trainers."""
