"""The operations: each request is refused, answered at once, or submitted as a job."""
