"""What is reproduced of each paper: reported numbers, tables, figures, claims, and the pages that show them."""
