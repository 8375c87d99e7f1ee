"""Hot loops: one meaning (protocol, reference), many speeds."""
