"""`python -m soak`, which is what `make soak` runs."""

from soak.run import main

if __name__ == "__main__":
    main()
