"""What stands before every route: who may call, what is written down, what is sent twice."""
