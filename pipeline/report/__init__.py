"""Tables and plots a person looks at."""
