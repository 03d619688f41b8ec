"""What every service's API is made of: errors, paging, idempotency, limits and the application itself. It knows no service by name."""
