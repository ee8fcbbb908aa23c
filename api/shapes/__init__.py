"""The shapes of a call, played by robots on a real Asterisk: one table for the demo, the tests and the guide.

`cells` says what is done and who must hear whom, made from the core's own tables (acd.core.shapes); `stage` does it
with real SIP phones that each play a tone of their own.
"""
