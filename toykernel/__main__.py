"""`python -m toykernel`: the command."""

from toykernel.cli.main import main

if __name__ == "__main__":
    main()
