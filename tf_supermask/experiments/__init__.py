"""One run: a Spec, data, networks, training, and the record that it leaves."""
