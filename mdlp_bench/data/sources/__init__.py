"""Readers of the field's dataset layouts; each source is one module and one `Source` in `SOURCES`."""
