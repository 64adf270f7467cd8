"""Whether clips that are scored on were learnt from."""
