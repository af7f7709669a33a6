"""FieldMarks: the embedded data set of drawn birds."""
