"""The way back to the evidence: from a credited cent to its raw rows, and from a raw row to the cents.

``auditing`` makes the schema ``audit``: views by which an auditor asks the warehouse itself. ``explaining``
gathers everything behind one credit into one value, ``impact`` goes the other way, ``clocks`` tells a ticket
clock event by event, ``telling`` shows all of it to people.
"""
