"""From records to statements: statistics, tables, figures, claims, sizes."""
