"""Vendor systems: one module per system, one register.

Add a system: write a module with its tables and its ``fetch``, add its line to ``register.SYSTEMS``.
"""
