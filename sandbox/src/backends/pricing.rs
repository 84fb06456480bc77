//! The price list: on-demand EC2 and its storage of the simulated catalogue, in the shape AWS publishes.

use async_trait::async_trait;
use sandbox_cloud::catalogue;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::checksums::sha256_hex;
use crate::json::{page, read};
use crate::protocol::{Answer, Failure, Request};
use crate::router::Backend;

/// Offer term code of on-demand, and rate code of its hourly price, as AWS has them.
const ON_DEMAND: &str = "JRTCKXETXF";
const HOURLY: &str = "6YS6EN2CT7";
/// When the sample prices were written down.
const EFFECTIVE: &str = "2025-11-01T00:00:00Z";
const PUBLISHED: &str = "2025-11-21T18:38:51Z";
/// The only regions with an endpoint.
const ENDPOINTS: [&str; 3] = ["ap-south-1", "eu-central-1", "us-east-1"];

/// The price list service.
#[derive(Debug, Default)]
pub(crate) struct Pricing;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetProducts {
    service_code: String,
    #[serde(default)]
    filters: Vec<Filter>,
    format_version: Option<String>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    #[serde(rename = "Type")]
    kind: String,
    field: String,
    value: String,
}

struct Product {
    sku: String,
    family: &'static str,
    attributes: Value,
    unit: &'static str,
    description: String,
    usd: f64,
}

#[async_trait]
impl Backend for Pricing {
    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        if !ENDPOINTS.contains(&request.region.as_str()) {
            return Err(Failure::gap(format!("an endpoint of pricing in {}", request.region)));
        }
        match request.operation.as_str() {
            "GetProducts" => get_products(&read(request)?),
            other => Err(Failure::gap(format!("pricing {other}"))),
        }
    }
}

fn get_products(asked: &GetProducts) -> Result<Answer, Failure> {
    let invalid = |message: String| Failure::new(400, "InvalidParameterException", message);
    if asked.service_code != "AmazonEC2" {
        return Err(Failure::gap(format!("prices of {}", asked.service_code)));
    }
    if asked.format_version.as_deref().is_some_and(|version| version != "aws_v1") {
        return Err(invalid("Unknown format version".to_owned()));
    }
    let most = asked.max_results.unwrap_or(100);
    if !(1..=100).contains(&most) {
        return Err(invalid(format!("MaxResults must be between 1 and 100, but is {most}")));
    }
    let mut products: Vec<Product> = products();
    for filter in &asked.filters {
        if filter.kind != "TERM_MATCH" {
            return Err(Failure::gap(format!("filter type {} of pricing GetProducts", filter.kind)));
        }
        if !known_attribute(&filter.field) {
            return Err(Failure::gap(format!("filter {} of pricing GetProducts", filter.field)));
        }
        products.retain(|product| product.matches(filter));
    }
    let token = asked.next_token.as_deref();
    let bad = || Failure::new(400, "InvalidNextTokenException", "The pagination token is invalid. Try again without a pagination token.");
    let (page, next) = page(&products, |product| product.sku.clone(), token, most, bad)?;
    let list: Vec<String> = page.iter().map(|product| product.render().to_string()).collect();
    let mut answer = json!({"FormatVersion": "aws_v1", "PriceList": list});
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(Answer::json(&answer))
}

/// Every product, by SKU.
fn products() -> Vec<Product> {
    let mut products = Vec::new();
    for region in catalogue::regions() {
        for kind in catalogue::instance_types() {
            let Some(usd) = catalogue::on_demand_usd_per_hour(region, &kind.name) else { continue };
            for status in ["Used", "UnusedCapacityReservation"] {
                products.push(Product {
                    sku: sku(&format!("{region} {} {status}", kind.name)),
                    family: "Compute Instance",
                    attributes: attributes(region, &kind, status),
                    unit: "Hrs",
                    description: format!("${usd} per On Demand Linux {} Instance Hour", kind.name),
                    usd,
                });
            }
        }
        for kind in catalogue::volume_types() {
            let Some(usd) = catalogue::volume_usd_per_gib_month(region, kind) else { continue };
            products.push(Product {
                sku: sku(&format!("{region} {kind}")),
                family: "Storage",
                attributes: storage_attributes(region, kind),
                unit: "GB-Mo",
                description: format!("${usd} per GB-month of {kind} provisioned storage"),
                usd,
            });
        }
    }
    products.sort_by(|a, b| a.sku.cmp(&b.sku));
    products
}

fn sku(of: &str) -> String {
    sha256_hex(of.as_bytes())[..16].to_uppercase()
}

fn storage_attributes(region: &str, kind: &str) -> Value {
    json!({
        "servicecode": "AmazonEC2",
        "servicename": "Amazon Elastic Compute Cloud",
        "location": catalogue::location(region).unwrap_or(region),
        "locationType": "AWS Region",
        "regionCode": region,
        "volumeApiName": kind,
        "storageMedia": if matches!(kind, "st1" | "sc1" | "standard") { "HDD-backed" } else { "SSD-backed" },
        "usagetype": format!("EBS:VolumeUsage.{kind}"),
    })
}

fn attributes(region: &str, kind: &catalogue::InstanceType, status: &str) -> Value {
    let gib = kind.memory_mib as f64 / 1_024.0;
    let mut attributes = json!({
        "servicecode": "AmazonEC2",
        "servicename": "Amazon Elastic Compute Cloud",
        "location": catalogue::location(region).unwrap_or(region),
        "locationType": "AWS Region",
        "regionCode": region,
        "instanceType": kind.name,
        "instanceFamily": family_name(kind),
        "vcpu": kind.vcpus.to_string(),
        "memory": format!("{gib} GiB"),
        "processorArchitecture": "64-bit",
        "physicalProcessor": kind.manufacturer,
        "clockSpeed": format!("{} GHz", kind.clock_ghz),
        "networkPerformance": kind.network_performance,
        "storage": if kind.instance_storage_gb == 0 { "EBS only".to_owned() } else { format!("1 x {} NVMe SSD", kind.instance_storage_gb) },
        "currentGeneration": "Yes",
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "licenseModel": "No License required",
        "tenancy": "Shared",
        "capacitystatus": status,
        "marketoption": "OnDemand",
        "operation": "RunInstances",
        "usagetype": format!("{}:{}", if status == "Used" { "BoxUsage" } else { "UnusedBox" }, kind.name),
    });
    if let Some(gpu) = &kind.gpu {
        attributes["gpu"] = gpu.count.to_string().into();
    }
    attributes
}

fn family_name(kind: &catalogue::InstanceType) -> &'static str {
    match kind.family().chars().next() {
        Some('c') => "Compute optimized",
        Some('r') => "Memory optimized",
        Some('g') => "GPU instance",
        _ => "General purpose",
    }
}

fn known_attribute(field: &str) -> bool {
    field == "ServiceCode"
        || field == "productFamily"
        || storage_attributes("us-east-1", "gp3").get(field).is_some()
        || catalogue::instance_type("g5.xlarge").is_some_and(|kind| attributes("us-east-1", &kind, "Used").get(field).is_some())
}

impl Product {
    fn matches(&self, filter: &Filter) -> bool {
        let value = match filter.field.as_str() {
            "ServiceCode" => Some("AmazonEC2"),
            "productFamily" => Some(self.family),
            field => self.attributes[field].as_str(),
        };
        value.is_some_and(|value| value.eq_ignore_ascii_case(&filter.value))
    }

    fn render(&self) -> Value {
        // A reservation's unused capacity is billed at the instance's own price; the reservation itself is free.
        let (term, rate) = (format!("{}.{ON_DEMAND}", self.sku), format!("{}.{ON_DEMAND}.{HOURLY}", self.sku));
        json!({
            "product": {"productFamily": self.family, "attributes": self.attributes, "sku": self.sku},
            "serviceCode": "AmazonEC2",
            "terms": {"OnDemand": {term: {
                "priceDimensions": {rate.clone(): {
                    "unit": self.unit,
                    "endRange": "Inf",
                    "description": self.description,
                    "appliesTo": [],
                    "rateCode": rate,
                    "beginRange": "0",
                    "pricePerUnit": {"USD": format!("{:.10}", self.usd)},
                }},
                "sku": self.sku,
                "effectiveDate": EFFECTIVE,
                "offerTermCode": ON_DEMAND,
                "termAttributes": {},
            }}},
            "version": "20251121183851",
            "publicationDate": PUBLISHED,
        })
    }
}
