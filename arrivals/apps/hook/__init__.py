"""The app that delivers to a subscriber of the API, such as a Zap."""
