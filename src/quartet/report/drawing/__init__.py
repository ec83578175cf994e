"""Draw for the page: charts, diagrams, pictures, markup and numbers as text."""
