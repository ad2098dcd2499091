"""Events in: one module per wire format, one Event, one writer."""
