"""What Samovar says, in English and Russian: one table of (English, Russian) for each kind of sentence."""
