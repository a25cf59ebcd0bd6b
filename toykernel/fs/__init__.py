"""Files and programs."""
