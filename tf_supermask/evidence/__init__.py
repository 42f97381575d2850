"""Records -> statements: statistics, tables, figures, claims, sizes, and the pages that show them."""
