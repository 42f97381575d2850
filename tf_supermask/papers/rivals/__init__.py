"""Methods that both papers compare themselves with, in one harness: not a paper, but tables and figures as of one."""
