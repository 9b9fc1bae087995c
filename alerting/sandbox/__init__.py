"""The four providers on the wire, on loopback: for demonstrations, rehearsals and tests.

`alerting.sandbox.server.Sandbox` runs inside a loop, `alerting.sandbox.process.start()` in a process
of its own. Nothing here imports an adapter, so that adapter and sandbox cannot be wrong together.
"""
