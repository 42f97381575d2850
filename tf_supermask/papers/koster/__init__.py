"""'Signing the Supermask' (Koster et al. 2022): reported numbers, tables, figures, claims."""
