//! Security groups.

use aws_sdk_ec2::operation::create_security_group::builders::CreateSecurityGroupFluentBuilder;
use aws_sdk_ec2::types::{Filter, IpPermission, ResourceType, SecurityGroup, UserIdGroupPair};
use spawn_core::ports::{Result, TaggedGroup, Tags};
use spawn_model::error::{Class, Error};

use super::{Ec2, PAGE, filter, tag_filters, tags_for, tags_of};
use crate::endpoint::Call;
use crate::error::Tolerate;

const CREATE: Call = Call::once("ec2", "CreateSecurityGroup");
const DESCRIBE: Call = Call::repeatable("ec2", "DescribeSecurityGroups");
const AUTHORIZE: Call = Call::repeatable("ec2", "AuthorizeSecurityGroupIngress");
const DELETE: Call = Call::repeatable("ec2", "DeleteSecurityGroup");

/// `IpProtocol` of a rule for every protocol and port.
const EVERY_PROTOCOL: &str = "-1";

impl Ec2 {
    pub(super) async fn security_group_create(&self, name: &str, vpc_id: &str, description: &str, tags: &Tags) -> Result<String> {
        let create = self.group_request(name, vpc_id, description, tags);
        let created = self.endpoint.call(CREATE, || create.clone().send()).await.tolerate(&["InvalidGroup.Duplicate"])?;
        match created {
            Some(answer) => answer
                .group_id
                .ok_or_else(|| Error::new(Class::Bug, "InvalidAnswer", format!("{} answered without an id", CREATE.permission()), "")),
            None => self.security_group_ours(name, vpc_id, tags).await,
        }
    }

    pub(super) fn group_request(&self, name: &str, vpc_id: &str, description: &str, tags: &Tags) -> CreateSecurityGroupFluentBuilder {
        self.client
            .create_security_group()
            .group_name(name)
            .vpc_id(vpc_id)
            .description(description)
            .tag_specifications(tags_for(ResourceType::SecurityGroup, tags))
    }

    /// The id of a group that is there already, if it has these tags.
    async fn security_group_ours(&self, name: &str, vpc_id: &str, tags: &Tags) -> Result<String> {
        let describe = self.client.describe_security_groups().filters(filter("group-name", name)).filters(filter("vpc-id", vpc_id));
        let answer = self.endpoint.call(DESCRIBE, || describe.clone().send()).await?;
        if answer.security_groups().is_empty() {
            // Made a moment ago by the same launch, whose reply was lost: EC2's reads are behind its writes.
            let message = format!("EC2 says that a security group {name} is there, and does not list it yet");
            return Err(Error::new(Class::Transient, "InvalidGroup.NotFound", message, "Try again in a few seconds"));
        }
        let ours = answer.security_groups().iter().find(|group| {
            let has = tags_of(group.tags());
            tags.iter().all(|(key, value)| has.get(key) == Some(value))
        });
        ours.and_then(|group| group.group_id()).map(str::to_owned).ok_or_else(|| {
            let message = format!("a security group {name} is there already in {vpc_id}, and it is not this fleet's");
            Error::new(Class::Conflict, "InvalidGroup.Duplicate", message, "Delete or rename it")
        })
    }

    pub(super) async fn security_group_admit_itself(&self, group_id: &str) -> Result<()> {
        let members = UserIdGroupPair::builder().group_id(group_id).build();
        let rule = IpPermission::builder().ip_protocol(EVERY_PROTOCOL).user_id_group_pairs(members).build();
        let authorize = self.client.authorize_security_group_ingress().group_id(group_id).ip_permissions(rule);
        self.endpoint.call(AUTHORIZE, || authorize.clone().send()).await.tolerate(&["InvalidPermission.Duplicate"])?;
        Ok(())
    }

    pub(super) async fn security_groups_tagged(&self, tags: &Tags) -> Result<Vec<String>> {
        let found = self.security_groups_by(tag_filters(tags)).await?;
        Ok(found.into_iter().map(|group| group.id).collect())
    }

    pub(super) async fn security_groups_by(&self, filters: Vec<Filter>) -> Result<Vec<TaggedGroup>> {
        let describe = self.client.describe_security_groups().set_filters(Some(filters)).max_results(PAGE);
        let tagged = |group: &SecurityGroup| Some(TaggedGroup { id: group.group_id()?.to_owned(), tags: tags_of(group.tags()) });
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let request = describe.clone().set_next_token(next.take());
            let page = self.endpoint.call(DESCRIBE, || request.clone().send()).await?;
            found.extend(page.security_groups().iter().filter_map(tagged));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    pub(super) async fn security_group_delete(&self, group_id: &str) -> Result<()> {
        let delete = self.client.delete_security_group().group_id(group_id);
        self.endpoint.call(DELETE, || delete.clone().send()).await.tolerate(&["InvalidGroup.NotFound", "InvalidGroupId.NotFound"])?;
        Ok(())
    }
}
