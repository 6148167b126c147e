"""Alarms: figures of an iteration turned into statements with evidence and a threshold."""
