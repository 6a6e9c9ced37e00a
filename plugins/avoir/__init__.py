"""What outsourced vendors delivered, what they owe when they missed it, and why, to the cent.

The library knows neither Airflow nor the clock: orchestration lives in ``dags/``, and every
instant a rule depends on is an argument.
"""
