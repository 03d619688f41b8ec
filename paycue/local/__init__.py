"""What `paycue up`, `paycue replay` and the tests run on when nothing is installed but Python: Apache Kafka and PostgreSQL from
wheels, and an inbox that stands in for the providers. Never used in production.
"""
