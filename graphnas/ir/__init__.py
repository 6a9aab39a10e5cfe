"""What a space is: choices, graphs and architectures. Imports no torch."""
