"""The core: plan, lanes, retries, look-ups, reports. It knows ports, never a concrete adapter."""
