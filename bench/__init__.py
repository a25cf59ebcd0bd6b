"""How fast it is: figures that the README states, measured again by `make bench`."""
