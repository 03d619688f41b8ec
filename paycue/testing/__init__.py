"""What tests put in the place of the world: memory for PostgreSQL, virtual time, a bus and a network that fail as they are told to.

Whoever writes a service of their own may use it too; nothing a service imports in production stands here.
"""
