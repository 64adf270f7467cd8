"""Question answering: multiple choice and open answers."""
