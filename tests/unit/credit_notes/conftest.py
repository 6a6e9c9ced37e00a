"""The folder of these tests on the path, for the notes that they share."""
