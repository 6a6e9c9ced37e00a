"""Where a column comes from, and which run made it: events kept, edges between columns, the site of the docs.

The OpenLineage events of Airflow and dbt are written to a directory (:mod:`avoir.lineage.spool`), reduced to
what may be kept (:mod:`avoir.lineage.reducing`), and taken into ``audit.lineage_events`` later
(:mod:`avoir.lineage.ingesting`), so that no task ever waits for a database. The edges between columns are
read out of the compiled models (:mod:`avoir.lineage.edges`) once per state of the code and kept in
``audit.column_edges``.
"""
