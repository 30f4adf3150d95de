"""Services of one application: taken as one point, restored together, their references audited."""
