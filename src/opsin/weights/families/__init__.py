"""One file a family of networks: its Keys for each library, and the Weights that are public."""
