"""Explanations against what people marked: the questions, their scores, the tables."""
