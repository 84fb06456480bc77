//! What a runner of GitHub's tells a step, and how it is answered.

mod environment;
mod event;
mod files;
mod job;

pub(crate) use environment::Environment;
pub(crate) use event::trusted;
pub(crate) use files::Files;
pub(crate) use job::Job;

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::job::tests::job;
}
