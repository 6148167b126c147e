"""srlm: who judges and how: judge specs, rubrics, parsing, scoring, pair selection, agreement."""
