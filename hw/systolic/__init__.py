"""The systolic style: one array, one memory, any network that fits."""
