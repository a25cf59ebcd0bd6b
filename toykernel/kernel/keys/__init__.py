"""Keys and keyrings (security/keys): add_key, request_key, keyctl."""
