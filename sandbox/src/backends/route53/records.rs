//! Record sets: changed, listed, and how far a change is.

use crate::protocol::{Answer, Failure, Request};
use crate::xml::element;

use super::names::Name;
use super::state::RecordSet;
use super::values::TYPES;
use super::{Route53, batch, invalid_input, most, page, render, route, rules};

/// Record sets on a page (API reference of `ListResourceRecordSets`).
const PAGE: usize = 300;

impl Route53 {
    pub(super) fn change_records(&self, request: &Request) -> Result<Answer, Failure> {
        let (changes, comment) = batch::read(request)?;
        let mut state = self.lock();
        let zone = state.zone(&route::id(request))?;
        match rules::apply(zone, &changes) {
            Ok(records) => zone.records = records,
            Err(problems) => return Ok(render::invalid_batch(request, &problems)),
        }
        let change = state.submit(request.now, comment);
        Ok(render::answer(request, &state.change_info(&change, request.now)))
    }

    pub(super) fn list_records(&self, request: &Request) -> Result<Answer, Failure> {
        let start = match (request.query("name"), request.query("type")) {
            (_, Some(kind)) if !TYPES.contains(&kind) => return Err(invalid_input(format!("'{kind}' is no type of records"))),
            (None, Some(_)) => return Err(invalid_input("A type is of use only together with a name")),
            (Some(name), kind) => (Name::parse(name).map_err(invalid_input)?.order(), kind.unwrap_or_default().to_owned()),
            (None, None) => (String::new(), String::new()),
        };
        let most = most(request, PAGE)?;
        let mut state = self.lock();
        let zone = state.zone(&route::id(request))?;
        let (listed, next) = page(zone.records.range(start..).map(|(_, set)| set), most, render::record_set);
        let place = |set: &RecordSet| [element("NextRecordName", &set.name.to_string()), element("NextRecordType", &set.kind)].concat();
        let parts = [
            format!("<ResourceRecordSets>{listed}</ResourceRecordSets>"),
            element("IsTruncated", &next.is_some().to_string()),
            next.map(place).unwrap_or_default(),
            element("MaxItems", &most.to_string()),
        ];
        Ok(render::answer(request, &parts.concat()))
    }

    pub(super) fn get_change(&self, request: &Request) -> Result<Answer, Failure> {
        let id = route::id(request);
        let state = self.lock();
        if !state.changes.contains_key(&id) {
            return Err(Failure::new(404, "NoSuchChange", format!("Could not find resource with ID: {id}")));
        }
        Ok(render::answer(request, &state.change_info(&id, request.now)))
    }
}
