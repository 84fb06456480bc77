//! The networks that see a private zone.

use crate::protocol::{Answer, Failure, Request};

use super::names::Name;
use super::read::Fields;
use super::state::{State, Vpc};
use super::{Route53, render, route};

/// Reads the network that a request names.
///
/// # Errors
/// `InvalidInput` if its id or its region is missing.
pub(super) fn read(mut fields: Fields) -> Result<Vpc, Failure> {
    let vpc = Vpc { region: fields.need("VPCRegion")?, id: fields.need("VPCId")? };
    fields.finish()?;
    Ok(vpc)
}

/// The network of a request that is about one, and what its author says of it.
fn asked(request: &Request) -> Result<(Vpc, Option<String>), Failure> {
    let mut document = Fields::document(request)?;
    let vpc = read(document.need_part("VPC")?)?;
    let comment = document.comment()?;
    document.finish()?;
    Ok((vpc, comment))
}

impl State {
    /// Refuses to let a network see two zones of one name: it would not know which one is meant.
    pub(super) fn check_free(&self, name: &Name, vpc: &Vpc) -> Result<(), Failure> {
        let Some(zone) = self.zones.values().find(|zone| zone.name == *name && zone.vpcs.contains(vpc)) else { return Ok(()) };
        let message = format!(
            "The VPC {} in region {} has already been associated with the hosted zone {} with the same domain name.",
            vpc.id, vpc.region, zone.id
        );
        Err(Failure::new(400, "ConflictingDomainExists", message))
    }
}

impl Route53 {
    /// Refuses a network that the account does not have.
    pub(super) fn check_vpc(&self, request: &Request, vpc: &Vpc) -> Result<(), Failure> {
        if self.ec2.with(request.now, |cloud, _| cloud.has_vpc(&vpc.region, &vpc.id)) {
            return Ok(());
        }
        let message = "The VPC ID that you specified either isn't a valid ID or the current account is not authorized to access this VPC.";
        Err(Failure::new(400, "InvalidVPCId", message))
    }

    pub(super) fn associate(&self, request: &Request) -> Result<Answer, Failure> {
        let (vpc, comment) = asked(request)?;
        self.check_vpc(request, &vpc)?;
        let mut state = self.lock();
        let id = route::id(request);
        let zone = state.zone(&id)?;
        if !zone.is_private() {
            let message = "You're trying to associate a VPC with a public hosted zone. Amazon Route 53 doesn't support associating a VPC \
                           with a public hosted zone.";
            return Err(Failure::new(400, "PublicZoneVPCAssociation", message));
        }
        let name = zone.name.clone();
        state.check_free(&name, &vpc)?;
        state.zone(&id)?.vpcs.push(vpc);
        let change = state.submit(request.now, comment);
        Ok(render::answer(request, &state.change_info(&change, request.now)))
    }

    pub(super) fn disassociate(&self, request: &Request) -> Result<Answer, Failure> {
        let (vpc, comment) = asked(request)?;
        let mut state = self.lock();
        let zone = state.zone(&route::id(request))?;
        if !zone.vpcs.contains(&vpc) {
            let message = "The specified VPC and hosted zone are not currently associated.";
            return Err(Failure::new(404, "VPCAssociationNotFound", message));
        }
        if zone.vpcs.len() == 1 {
            let message = "The VPC that you're trying to disassociate from the private hosted zone is the last VPC that is associated with \
                           the hosted zone. Amazon Route 53 doesn't support disassociating the last VPC from a hosted zone.";
            return Err(Failure::new(400, "LastVPCAssociation", message));
        }
        zone.vpcs.retain(|known| *known != vpc);
        let change = state.submit(request.now, comment);
        Ok(render::answer(request, &state.change_info(&change, request.now)))
    }
}
