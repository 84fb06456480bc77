"""The price list as boto3 sees it."""

import json

from kit import client, equal, refused

pricing = client("pricing")


def term(field, value):
    return {"Type": "TERM_MATCH", "Field": field, "Value": value}


filters = [term("instanceType", "c7i.large"), term("regionCode", "us-east-1"), term("operatingSystem", "Linux"), term("tenancy", "Shared"),
           term("preInstalledSw", "NA"), term("capacitystatus", "Used")]
found = pricing.get_products(ServiceCode="AmazonEC2", Filters=filters)["PriceList"]
equal(len(found), 1)
product = json.loads(found[0])
offer = next(iter(product["terms"]["OnDemand"].values()))
rate = next(iter(offer["priceDimensions"].values()))
equal((rate["unit"], rate["pricePerUnit"]), ("Hrs", {"USD": "0.0892500000"}))
equal(offer["sku"], product["product"]["sku"])
equal(product["product"]["attributes"]["location"], "US East (N. Virginia)")
equal(pricing.get_products(ServiceCode="AmazonEC2", Filters=[term("instanceType", "c9z.large")])["PriceList"], [])

pages = list(pricing.get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=[term("regionCode", "us-west-2"), term("capacitystatus", "Used")], PaginationConfig={"PageSize": 30}))
skus = [json.loads(item)["product"]["sku"] for page in pages for item in page["PriceList"]]
assert len(pages) > 2 and len(skus) == len(set(skus)), (len(pages), len(skus))

refused("NotImplemented", pricing.get_products, ServiceCode="AmazonRDS")
refused("NotImplemented", pricing.get_products, ServiceCode="AmazonEC2", Filters=[term("colour", "blue")])
refused("NotImplemented", client("pricing", "us-west-2").get_products, ServiceCode="AmazonEC2")

storage = pricing.get_products(ServiceCode="AmazonEC2", Filters=[term("productFamily", "Storage"), term("volumeApiName", "gp3"), term("regionCode", "us-east-1")])["PriceList"]
equal(len(storage), 1)
[term_of_gp3] = json.loads(storage[0])["terms"]["OnDemand"].values()
[gp3] = term_of_gp3["priceDimensions"].values()
equal((gp3["unit"], float(gp3["pricePerUnit"]["USD"])), ("GB-Mo", 0.08))
