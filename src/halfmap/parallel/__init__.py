"""More than one rank: halves, units and leases, exact reduction, node memory."""
