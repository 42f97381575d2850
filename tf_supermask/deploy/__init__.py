"""Uses of a trained mask: exact removal of dead units, small files, exports."""
