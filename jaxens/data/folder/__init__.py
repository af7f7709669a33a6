"""A user's own folder of photos, with labels and marks in any of the usual forms."""
