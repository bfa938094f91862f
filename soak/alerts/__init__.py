"""Who is told of findings: by a signed webhook, a command, the log; what has to be told survives in the store."""

from soak.alerts.channels import CHANNELS, Undeliverable, channels_of, signature
from soak.alerts.findings import findings_of
from soak.alerts.news import News
from soak.alerts.sender import AlertSender

__all__ = ["CHANNELS", "AlertSender", "News", "Undeliverable", "channels_of", "findings_of", "signature"]
