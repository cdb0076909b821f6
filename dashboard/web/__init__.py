"""The pages: access, forms, words, and one module a page family."""
