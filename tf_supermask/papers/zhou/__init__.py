"""'Deconstructing Lottery Tickets' (Zhou et al. 2019): reported numbers, tables, figures, claims."""
