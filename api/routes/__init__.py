"""The endpoints, one file a noun. Every one under /api/v1 is in api.auth.permissions.ENDPOINTS, or it is refused."""
