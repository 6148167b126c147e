"""srlm: what is kept and shown: records, store, cache, statistics, tables. The ground floor."""
