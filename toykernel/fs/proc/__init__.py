"""The process file system (fs/proc): what the kernel says of itself, as files."""
