"""Networks written from their papers in plain PyTorch, as a user would have them: what the laws are checked on."""
