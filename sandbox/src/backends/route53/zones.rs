//! Zones: made, ended, and listed.

use crate::protocol::{Answer, Failure, Request};
use crate::xml::element;

use super::names::Name;
use super::read::Fields;
use super::state::Zone;
use super::{Route53, invalid_input, most, page, render, route, vpcs};

/// Zones of an account ("Quotas" of the Developer Guide, "Quotas on hosted zones").
const ZONES_MAX: usize = 500;

/// Zones on a page (API reference of `ListHostedZones`).
const PAGE: usize = 100;

/// Characters of a reference (API reference of `CreateHostedZone`).
const REFERENCE_MAX: usize = 128;

impl Route53 {
    pub(super) fn create_zone(&self, request: &Request) -> Result<Answer, Failure> {
        let mut asked = Fields::document(request)?;
        let (name, reference) = (asked.need("Name")?, asked.need("CallerReference")?);
        let config = asked.part("HostedZoneConfig")?;
        let vpc = asked.part("VPC")?.map(vpcs::read).transpose()?;
        asked.finish()?;
        let comment = comment(config, vpc.is_some())?;
        let name = zone_name(&name)?;
        if reference.is_empty() || reference.chars().count() > REFERENCE_MAX {
            return Err(invalid_input("Invalid XML ; element 'CallerReference' must have 1 to 128 characters"));
        }
        if let Some(vpc) = &vpc {
            self.check_vpc(request, vpc)?;
        }
        let mut state = self.lock();
        if state.references.contains(&reference) {
            let message = "A hosted zone has already been created with the specified caller reference.";
            return Err(Failure::new(409, "HostedZoneAlreadyExists", message));
        }
        if state.zones.len() >= ZONES_MAX {
            let message = "Limits Exceeded: MAX_HOSTED_ZONES_BY_OWNER - Cannot create more hosted zones.";
            return Err(Failure::new(400, "TooManyHostedZones", message));
        }
        if let Some(vpc) = &vpc {
            state.check_free(&name, vpc)?;
        }
        let zone = Zone::new(name, reference.clone(), comment, vpc);
        let change = state.submit(request.now, None);
        let sight = zone.vpcs.first().map_or_else(|| render::delegation_set(&zone), render::vpc);
        let inside = [render::zone(&zone), state.change_info(&change, request.now), sight].concat();
        let location = format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{}", zone.id);
        state.references.insert(reference);
        state.zones.insert(zone.id.clone(), zone);
        Ok(Answer { status: 201, ..render::answer(request, &inside) }.header("location", location))
    }

    pub(super) fn delete_zone(&self, request: &Request) -> Result<Answer, Failure> {
        let id = route::id(request);
        let mut state = self.lock();
        let zone = state.zone(&id)?;
        if zone.records.values().any(|set| !zone.is_own(set)) {
            let message = "The specified hosted zone contains non-required resource record sets and so cannot be deleted.";
            return Err(Failure::new(400, "HostedZoneNotEmpty", message));
        }
        state.zones.remove(&id);
        let change = state.submit(request.now, None);
        Ok(render::answer(request, &state.change_info(&change, request.now)))
    }

    pub(super) fn get_zone(&self, request: &Request) -> Result<Answer, Failure> {
        let mut state = self.lock();
        let zone = state.zone(&route::id(request))?;
        let sight = if zone.is_private() {
            format!("<VPCs>{}</VPCs>", zone.vpcs.iter().map(render::vpc).collect::<String>())
        } else {
            render::delegation_set(zone)
        };
        Ok(render::answer(request, &format!("{}{sight}", render::zone(zone))))
    }

    pub(super) fn list_zones(&self, request: &Request) -> Result<Answer, Failure> {
        let marker = request.query("marker");
        let most = most(request, PAGE)?;
        let state = self.lock();
        let zones = state.zones.range(marker.unwrap_or_default().to_owned()..).map(|(_, zone)| zone);
        let (listed, next) = page(zones, most, render::zone);
        let parts = [
            format!("<HostedZones>{listed}</HostedZones>"),
            given("Marker", marker),
            element("IsTruncated", &next.is_some().to_string()),
            given("NextMarker", next.map(|zone| zone.id.as_str())),
            element("MaxItems", &most.to_string()),
        ];
        Ok(render::answer(request, &parts.concat()))
    }

    pub(super) fn list_zones_by_name(&self, request: &Request) -> Result<Answer, Failure> {
        let (name, id) = (request.query("dnsname"), request.query("hostedzoneid"));
        let start = match (name, id) {
            (Some(name), id) => (read_name(name)?.order(), id.unwrap_or_default().to_owned()),
            (None, Some(_)) => return Err(invalid_input("A hosted zone id is of use only together with a DNS name")),
            (None, None) => (String::new(), String::new()),
        };
        let most = most(request, PAGE)?;
        let state = self.lock();
        let mut zones: Vec<&Zone> = state.zones.values().filter(|zone| zone.place() >= start).collect();
        zones.sort_by_cached_key(|zone| zone.place());
        let (listed, next) = page(zones.into_iter(), most, render::zone);
        let next_name = next.map(|zone| zone.name.to_string());
        let parts = [
            format!("<HostedZones>{listed}</HostedZones>"),
            given("DNSName", name),
            given("HostedZoneId", id),
            element("IsTruncated", &next.is_some().to_string()),
            given("NextDNSName", next_name.as_deref()),
            given("NextHostedZoneId", next.map(|zone| zone.id.as_str())),
            element("MaxItems", &most.to_string()),
        ];
        Ok(render::answer(request, &parts.concat()))
    }
}

fn given(name: &str, text: Option<&str>) -> String {
    text.map(|text| element(name, text)).unwrap_or_default()
}

/// The comment of a configuration, whose word on who sees the zone must not contradict what else says it.
fn comment(config: Option<Fields>, has_vpc: bool) -> Result<Option<String>, Failure> {
    let Some(mut config) = config else { return Ok(None) };
    let (comment, private) = (config.comment()?, config.text("PrivateZone")?);
    config.finish()?;
    match (private.as_deref(), has_vpc) {
        (Some("true"), false) => Err(invalid_input(
            "When you're creating a private hosted zone (when you specify true for PrivateZone), you must also specify values for VPCId \
             and VPCRegion.",
        )),
        (Some("false"), true) => Err(Failure::gap("route53 element PrivateZone that is false beside a VPC")),
        (None | Some("true" | "false"), _) => Ok(comment),
        (Some(other), _) => Err(invalid_input(format!("Invalid XML ; '{other}' is no boolean"))),
    }
}

fn zone_name(text: &str) -> Result<Name, Failure> {
    let name = read_name(text)?;
    if name.is_wildcard() { Err(Failure::new(400, "InvalidDomainName", format!("{name} is not a valid domain name."))) } else { Ok(name) }
}

fn read_name(text: &str) -> Result<Name, Failure> {
    Name::parse(text).map_err(|problem| Failure::new(400, "InvalidDomainName", problem))
}
