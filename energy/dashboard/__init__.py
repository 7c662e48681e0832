"""The pages for people: one HTML file, own modules and a strict policy; data come from `/v1`."""

from energy.dashboard.routes import create_dashboard_router, install

__all__ = ["create_dashboard_router", "install"]
