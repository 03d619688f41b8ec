"""What is contested: cases, deadlines, outcomes."""
