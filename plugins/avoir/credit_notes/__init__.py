"""Credit notes: what finance may book of the ledger, as real e-invoice documents.

Flow: ``entries`` reads what is applicable and on no note yet, ``invoices`` what the vendor invoiced for
those months, ``composing`` makes a note of the two (pure), ``ubl``, ``cii`` and ``pdf`` write it down,
``validating`` holds the documents to EN 16931, and ``issuing`` does all that in one transaction and keeps
the result for good.
"""
