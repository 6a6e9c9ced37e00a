"""A small world of vendors that speak the real APIs over HTTP on loopback, with known truth beside it.

``build_world`` (``world``) makes it once: records, probes, invoices, ``sources.yml`` and ``truth.json``,
the same bytes for the same seed. ``serve`` (``server``) then answers as the vendors' systems would. The
truth is computed by arithmetic of its own, which shares no code with the warehouse it judges.
"""
