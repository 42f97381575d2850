"""Methods that supermasks are compared with: masks that are set while weights are trained, and the events of others."""
