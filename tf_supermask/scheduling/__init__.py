"""Many runs: which process trains which run, on this machine or on a cluster, and how far they are."""
