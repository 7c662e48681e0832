"""What the wires allow: the district network, AC power flow, limits."""
