"""What was said, kept in SQL: tables, migrations, the store, search, people."""
