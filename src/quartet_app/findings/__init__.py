"""Put the statements of conf/finding/ to the test: train what they need, measure, and conclude by their rules."""
