"""srlm: proofs that take minutes to an hour, each a command of the Makefile."""
