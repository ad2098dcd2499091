"""The application of /api/v2: routers, keys, errors."""

from ninja import NinjaAPI

api = NinjaAPI(title="Arrivals", version="2", urls_namespace="api-v2")
