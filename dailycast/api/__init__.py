"""The JSON API. Import it only where Django REST framework is installed."""
