"""Asterisk: the only package that knows ARI, AMI, AGI, SIP and the dialplan. No database; imports only acd."""
