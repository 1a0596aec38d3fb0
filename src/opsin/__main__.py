"""`python -m opsin`, which torchrun starts on each process."""

from opsin.cli.main import main

if __name__ == "__main__":
    main()
