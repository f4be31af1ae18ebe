"""Keeping a reply in a shape: checks of what was asked for, and the mask over the tokens that keeps to it."""
