"""Many runs: who trains what, on this machine or on a cluster, and how far all are."""
