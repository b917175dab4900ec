"""The JSON API, imported only where Django REST framework is installed."""
