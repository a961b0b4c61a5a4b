"""`python -m airlock`: the same command line."""

from airlock.cli import main

if __name__ == "__main__":
    main()
