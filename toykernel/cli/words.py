"""What several commands share of words and places."""

#: Standard input, where a file is wanted.
DASH = "-"
