"""A submission: the form, the archive and its pictures or readings, how it is packed and validated."""
