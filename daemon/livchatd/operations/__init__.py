"""What each request means: refused, answered at once, or handed to the engine as a job."""
