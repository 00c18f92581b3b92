"""Which host names are Azure's: what the certificates may name and what is never forwarded."""

from __future__ import annotations

# Domain (itself and everything below it) -> why it is here. The authority's name constraints
# permit exactly these, and the front door never forwards any of them to the real cloud.
AZURE_DOMAINS: dict[str, str] = {
    "azure.com": "Resource Manager, Machine Learning, Monitor, inference, DevOps",
    "azure.net": "Key Vault (vault.azure.net), Kusto and Synapse links",
    "azure-api.net": "API Management gateways",
    "azure-automation.net": "Automation web hooks",
    "azure-devices.net": "IoT Hub",
    "azurecontainer.io": "Container Instances",
    "azurecontainerapps.io": "Container Apps",
    "azurecr.io": "Container Registry",
    "azuredatabricks.net": "Databricks workspaces",
    "azureedge.net": "content network: schemas of the Machine Learning SDK",
    "azurefd.net": "Front Door",
    "azureml.ms": "Machine Learning data planes",
    "azureml.net": "Machine Learning experiments and studio",
    "azuresynapse.net": "Synapse workspaces and SQL pools",
    "azurewebsites.net": "App Service and Functions",
    "azmk8s.io": "Kubernetes Service API servers",
    "applicationinsights.io": "Application Insights queries",
    "cloudapp.net": "classic cloud services",
    "fabric.microsoft.com": "Fabric",
    "graph.microsoft.com": "Microsoft Graph: users, groups, service principals",
    "loganalytics.io": "Log Analytics queries",
    "microsoftonline.com": "Entra ID sign-in",
    "microsoftonline-p.com": "Entra ID sign-in pages",
    "msauth.net": "Entra ID sign-in pages",
    "msftauth.net": "Entra ID sign-in pages",
    "powerbi.com": "Power BI",
    "services.visualstudio.com": "Application Insights ingestion, first generation",
    "trafficmanager.net": "Traffic Manager",
    "windows.net": "Storage, SQL, Event Hubs, Service Bus, Entra ID (login.windows.net)",
    "windowsazure.com": "classic management",
}


def is_azure(host: str) -> bool:
    """Say whether `host` is an Azure name; case and a trailing dot do not matter."""
    name = host.lower().rstrip(".")
    while name:
        if name in AZURE_DOMAINS:
            return True
        name = name.partition(".")[2]
    return False
