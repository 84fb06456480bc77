//! The services. Each is one folder or file behind [`crate::router::Backend`], and any of them can be given another one.

pub(crate) mod autoscaling;
pub(crate) mod ec2;
pub(crate) mod iam;
pub(crate) mod lambda;
pub(crate) mod logs;
pub(crate) mod pricing;
pub(crate) mod quotas;
pub(crate) mod route53;
pub(crate) mod s3;
pub(crate) mod scheduler;
pub(crate) mod sns;
pub(crate) mod ssm;
pub(crate) mod sts;
