"""Sum up a table over its lines: `ranks` computes mean ranks, improvements and profiles, `section` draws them."""
