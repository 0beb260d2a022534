"""shiftforge's hardware side: the integer network, the gateware and its compiler."""
