"""Durations as users read them."""


def duration(seconds):
    """12.3 s, 4 min or 5.6 h."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
