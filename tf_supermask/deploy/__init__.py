"""What a trained mask is good for: exact removal of dead units, small files, exports."""
