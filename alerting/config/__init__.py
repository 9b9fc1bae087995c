"""``channels.yaml``: the one configuration file, read whole and checked before anything is sent."""

from alerting.config.load import load
from alerting.config.model import AudienceFile, Campus, Config, Defaults, Retry

__all__ = ["AudienceFile", "Campus", "Config", "Defaults", "Retry", "load"]
