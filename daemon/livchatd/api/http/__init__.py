"""HTTP as such: bodies, queries, answers, and the API description."""
