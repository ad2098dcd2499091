"""The built-in inbox: messages kept in the product; works with no account anywhere."""
