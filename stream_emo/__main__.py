"""`python -m stream_emo`."""

from stream_emo.cli.main import main

if __name__ == "__main__":
    main()
