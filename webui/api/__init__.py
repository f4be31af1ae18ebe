"""The OpenAI-compatible HTTP API, and the figures for Prometheus."""
