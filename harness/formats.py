"""The formats that every command which prints a table takes."""

FORMATS = ("table", "md", "csv", "latex", "html", "json")
