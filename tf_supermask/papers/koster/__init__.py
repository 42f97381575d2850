"""'Signing the Supermask' (Koster et al. 2022): printed numbers, tables, figures, claims."""
