"""Messages to Slack."""
