//! An API's calls: one variant for each, and their names.

/// Declares `Request`, whose variants are an API's operations by their names there, and `OPERATIONS`, those names.
macro_rules! requests {
    ($api:literal: $($(#[$doc:meta])* $name:ident($type:ty),)*) => {
        /// One call.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[$doc])* $name($type),)*
        }

        impl Request {
            #[doc = concat!("The operation's name in the ", $api, " API.")]
            pub fn operation(&self) -> &'static str {
                match self {
                    $(Request::$name(_) => stringify!($name),)*
                }
            }
        }

        /// The names of every simulated operation.
        pub const OPERATIONS: &[&str] = &[$(stringify!($name),)*];
    };
}

pub(crate) use requests;
