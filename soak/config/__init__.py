"""soak.toml: read, checked as a whole, and turned into frozen dataclasses."""

from soak.config.limits import Growth, Limits, Peak, limits_from_json
from soak.config.model import (
    Accept,
    AgentConfig,
    Alerts,
    Check,
    Fault,
    Probe,
    SampleConfig,
    Schedule,
    StorageConfig,
    Target,
    Web,
)
from soak.config.read import DEFAULT_FILE, Config, Overrides, load_config, store_option, store_url
from soak.config.scenario import Expect, LoadConfig, Scenario
from soak.config.units import format_duration, format_size, parse_duration, parse_percent, parse_size

__all__ = [
    "DEFAULT_FILE",
    "Accept",
    "AgentConfig",
    "Alerts",
    "Check",
    "Config",
    "Expect",
    "Fault",
    "Growth",
    "Limits",
    "LoadConfig",
    "Overrides",
    "Peak",
    "Probe",
    "SampleConfig",
    "Scenario",
    "Schedule",
    "StorageConfig",
    "Target",
    "Web",
    "format_duration",
    "format_size",
    "limits_from_json",
    "load_config",
    "parse_duration",
    "parse_percent",
    "parse_size",
    "store_option",
    "store_url",
]
