"""The words that stand for a missing cell, for every kind of column and every table."""

MISSING_WORDS = (
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "<NA>",
    "nan",
    "NaN",
    "NAN",
    "None",
    "NULL",
    "null",
    "NaT",
    "?",
    "-",
)
"""A cell of such a word is blank, as R, pandas, databases and repositories of data write it."""
