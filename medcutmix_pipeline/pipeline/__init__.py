"""Running the stages: units of work, resume, retries, progress. The only part that knows Ray."""
