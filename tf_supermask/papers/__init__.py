"""The papers: names of experiments, reported numbers, tables, figures and claims of each."""
