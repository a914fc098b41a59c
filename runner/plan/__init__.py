"""PLAN: (specs, registry reader, git facts, now) -> Plan. Decides what must run and says why; never acts."""
