"""Exam scores of the pupils of 139 schools, a task each; see README.md beside this file."""
