"""What a person sees: the page, its words, and the patches that keep it true."""
