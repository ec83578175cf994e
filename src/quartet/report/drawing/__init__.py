"""Draw for the page: charts, diagrams, pictures, markup and how numbers are written."""
