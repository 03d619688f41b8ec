"""What tests of the whole house stand on. Nothing that runs in production may import it."""
