"""Parsers: what a judge's completion says, or a named reason why it says nothing."""
