//! git-lfs, and the LFS API spoken by hand.
#![cfg(test)]

mod batch;
mod client;
mod links;
mod locks;
mod multipart;
mod place;
mod transfer;

#[test]
fn all_of_it_holds_on_postgres() {
    polder_tests::once_more_on_postgres(15);
}
