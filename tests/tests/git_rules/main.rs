//! The rules a hub adds to git: what may be wanted, which branches are protected, what options a push
//! may carry, how many refs there may be. Stock git on one side, requests by hand on the other.
#![cfg(test)]

mod default_branch;
mod many_refs;
mod place;
mod protected;
mod push_options;
mod wants;
