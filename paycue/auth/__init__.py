"""Who may do what: API keys for programs and signed links for debtors. Nothing here keeps a secret in the clear."""
