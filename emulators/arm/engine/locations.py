"""Azure's regions, as far as they are named in scripts: name, display name, geography."""

from __future__ import annotations

from emulators.arm.errors import LocationUnknown

# name: (display name, geography group, latitude, longitude)
REGIONS: dict[str, tuple[str, str, str, str]] = {
    "eastus": ("East US", "US", "37.3719", "-79.8164"),
    "eastus2": ("East US 2", "US", "36.6681", "-78.3889"),
    "centralus": ("Central US", "US", "41.5908", "-93.6208"),
    "northcentralus": ("North Central US", "US", "41.8819", "-87.6278"),
    "southcentralus": ("South Central US", "US", "29.4167", "-98.5"),
    "westcentralus": ("West Central US", "US", "40.89", "-110.234"),
    "westus": ("West US", "US", "37.783", "-122.417"),
    "westus2": ("West US 2", "US", "47.233", "-119.852"),
    "westus3": ("West US 3", "US", "33.448376", "-112.074036"),
    "canadacentral": ("Canada Central", "Canada", "43.653", "-79.383"),
    "canadaeast": ("Canada East", "Canada", "46.817", "-71.217"),
    "brazilsouth": ("Brazil South", "South America", "-23.55", "-46.633"),
    "northeurope": ("North Europe", "Europe", "53.3478", "-6.2597"),
    "westeurope": ("West Europe", "Europe", "52.3667", "4.9"),
    "uksouth": ("UK South", "Europe", "50.941", "-0.799"),
    "ukwest": ("UK West", "Europe", "53.427", "-3.084"),
    "francecentral": ("France Central", "Europe", "46.3772", "2.373"),
    "germanywestcentral": ("Germany West Central", "Europe", "50.110924", "8.682127"),
    "italynorth": ("Italy North", "Europe", "45.46888", "9.18109"),
    "norwayeast": ("Norway East", "Europe", "59.913868", "10.752245"),
    "polandcentral": ("Poland Central", "Europe", "52.23334", "21.01666"),
    "spaincentral": ("Spain Central", "Europe", "40.4259", "-3.4209"),
    "swedencentral": ("Sweden Central", "Europe", "60.67488", "17.14127"),
    "switzerlandnorth": ("Switzerland North", "Europe", "47.451542", "8.564572"),
    "qatarcentral": ("Qatar Central", "Middle East", "25.551462", "51.439327"),
    "uaenorth": ("UAE North", "Middle East", "25.266666", "55.316666"),
    "israelcentral": ("Israel Central", "Middle East", "31.2655698", "33.4506633"),
    "southafricanorth": ("South Africa North", "Africa", "-25.73134", "28.21837"),
    "centralindia": ("Central India", "Asia Pacific", "18.5822", "73.9197"),
    "southindia": ("South India", "Asia Pacific", "12.9822", "80.1636"),
    "eastasia": ("East Asia", "Asia Pacific", "22.267", "114.188"),
    "southeastasia": ("Southeast Asia", "Asia Pacific", "1.283", "103.833"),
    "japaneast": ("Japan East", "Asia Pacific", "35.68", "139.77"),
    "japanwest": ("Japan West", "Asia Pacific", "34.6939", "135.5022"),
    "koreacentral": ("Korea Central", "Asia Pacific", "37.5665", "126.978"),
    "australiaeast": ("Australia East", "Asia Pacific", "-33.86", "151.2094"),
    "australiasoutheast": ("Australia Southeast", "Asia Pacific", "-37.8136", "144.9631"),
}
GLOBAL = "global"


def normal(location: str) -> str:
    """A region's name from its name or display name, in any case.

    Raises:
        LocationUnknown: there is no such region.
    """
    name = location.replace(" ", "").lower()
    if name not in REGIONS:
        raise LocationUnknown(location, ",".join(REGIONS))
    return name
