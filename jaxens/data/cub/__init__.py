"""CUB-200-2011, read from the user's own folder."""
