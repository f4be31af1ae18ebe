"""Tests of the guard, and what they share."""
