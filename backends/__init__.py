"""What runs a model: usable without the web interface, and knows nothing of it."""
