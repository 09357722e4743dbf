//! Large objects chunk by chunk, as clients of Xet move them.

mod token;

pub use token::XetToken;
