"""How Samovar comes onto a machine. Standard library only: it runs before anything is installed."""
