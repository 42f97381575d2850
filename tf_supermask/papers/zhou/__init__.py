"""'Deconstructing Lottery Tickets' (Zhou et al. 2019): printed numbers, tables, figures, claims."""
