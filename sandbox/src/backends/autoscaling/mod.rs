//! Auto Scaling: the groups of the simulated cloud behind the query protocol.
//!
//! | module | what it does |
//! |---|---|
//! | `parse`, `settings` | a form into a request |
//! | `render`, `groups` | a reply into XML |

mod groups;
mod parse;
mod render;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use sandbox_cloud::ApiError;

use crate::backends::ec2::Ec2;
use crate::form::Form;
use crate::protocol::{Answer, Failure, Protocol, Request};
use crate::router::Backend;
pub(crate) use parse::request as read;

/// Auto Scaling of an account; its groups live with the instances.
pub(crate) struct AutoScaling {
    ec2: Arc<Ec2>,
}

impl AutoScaling {
    /// Auto Scaling of this cloud.
    pub(crate) fn new(ec2: Arc<Ec2>) -> Self {
        Self { ec2 }
    }
}

#[async_trait]
impl Backend for AutoScaling {
    async fn handle(&self, request: &Request) -> Result<Answer, Failure> {
        let operation = request.operation.as_str();
        let asked = read(operation, Form::parse(&request.body))?;
        let done = self.ec2.with(request.now, |cloud, now| cloud.scale(now, &request.region, asked));
        match done {
            Ok(reply) => Ok(Answer::xml(render::reply(operation, &request.id, &reply))),
            Err(error) if error.lost => {
                let answer = failure(operation, &error).answer(Protocol::Query, &request.id, &request.path);
                Ok(Answer { lost: true, ..answer })
            }
            Err(error) => Err(failure(operation, &error)),
        }
    }
}

fn failure(operation: &str, error: &ApiError) -> Failure {
    let gap = error.gap.then(|| format!("autoscaling {operation}: {}", error.message));
    Failure { gap, ..Failure::new(error.status, &error.code, error.message.clone()) }
}
